#!/bin/bash
# Makes this machine a container instance of an ECS cluster at its first boot, with nothing of Strata's running: the user data of a
# layer's launch template for break-glass. cloud-init runs it as root and keeps what it says in /var/log/cloud-init-output.log.
set -u
CLUSTER=''

# Paths begin with STRATA_ROOT, so that a test can run this where it breaks nothing. What is the same as in Setup's document is held
# equal to it by that test.
ROOT="${STRATA_ROOT:-}"
STATE="$ROOT/var/lib/strata"
CONFIG="$ROOT/etc/ecs/ecs.config"

say() { printf '%s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Sets FAMILY by what the running system reports [SEC-14].
family() {
  # shellcheck source=/dev/null
  . "$ROOT/etc/os-release" || die "there is no /etc/os-release; nothing was done"
  case "${ID:-}:${VERSION_ID:-}" in
    amzn:2) FAMILY=amazon2 ;;
    amzn:2023*) FAMILY=amazon2023 ;;
    ubuntu:*) FAMILY=ubuntu ;;
    centos:* | rhel:*) FAMILY=rhel ;;
    *)
      die "this is ${PRETTY_NAME:-an unknown system}; known are Amazon Linux 2 and 2023, Ubuntu, CentOS and Red Hat Enterprise" \
        "Linux; nothing was done"
      ;;
  esac
}

# Three tries, 5 s apart [ECS-64].
tries() {
  local n
  for n in 1 2 3; do
    "$@" && return 0
    [ "$n" = 3 ] || sleep 5
  done
  return 1
}

# shellcheck disable=SC2317  # it is called by tries
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold "$@"
}

imds() {
  local token
  token=$(curl -fsS -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token) || return 1
  curl -fsS -m 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

# The agent's package brings Docker, which the OS has as a package too.
install_agent() {
  local region domain machine deb
  case "$FAMILY" in
    amazon2)
      amazon-linux-extras disable docker >/dev/null
      tries amazon-linux-extras install -y ecs
      ;;
    amazon2023) tries dnf -y install docker ecs-init ;;
    rhel)
      say "an ECS layer does not take this system; its instances need Amazon Linux or Ubuntu"
      return 1
      ;;
    ubuntu)
      region=$(imds placement/region) || return 1
      domain=$(imds services/domain) || return 1
      machine=$(dpkg --print-architecture) || return 1
      deb="$STATE/amazon-ecs-init.deb"
      tries apt_get install docker.io || return 1
      tries curl -fsS -m 120 -o "$deb" \
        "https://s3.$region.$domain/amazon-ecs-agent-$region/amazon-ecs-init-latest.$machine.deb" || return 1
      tries apt_get install "$deb"
      ;;
  esac
}

# Lines that others have put into the agent's configuration stay.
configure_agent() {
  install -d -m 0755 "$ROOT/etc/ecs" "$ROOT/var/lib/ecs/data" "$ROOT/var/log/ecs" || return 1
  getent group docker >/dev/null || groupadd --system docker || return 1
  touch "$CONFIG" || return 1
  {
    grep -v -E '^(ECS_CLUSTER|ECS_DATADIR|ECS_LOGFILE|ECS_LOGLEVEL|ECS_AVAILABLE_LOGGING_DRIVERS)=' "$CONFIG"
    printf '%s\n' "ECS_CLUSTER=$1" ECS_DATADIR=/data ECS_LOGFILE=/log/ecs-agent.log ECS_LOGLEVEL=info \
      'ECS_AVAILABLE_LOGGING_DRIVERS=["json-file","awslogs"]'
  } >"$CONFIG.new"
  chmod 0644 "$CONFIG.new" && mv "$CONFIG.new" "$CONFIG"
}

install -d -m 0700 "$STATE" || die "cannot make $STATE"
# An image of one's own may have the agent already.
if ! systemctl cat ecs.service >/dev/null 2>&1; then
  family
  if [ "$FAMILY" = ubuntu ]; then
    tries apt_get update || die "the package lists could not be read; the messages are above"
  fi
  install_agent || die "the ECS agent could not be installed; the messages are above"
fi
configure_agent "${CLUSTER##*/}" || die "the ECS agent could not be configured"
{ systemctl enable docker ecs && systemctl start docker; } || die "Docker could not be started"
# The unit waits for cloud-init, which waits for this script: nobody waits for the unit [ECS-122].
systemctl restart --no-block ecs || die "the ECS agent could not be started"
say "the ECS agent starts and joins the cluster ${CLUSTER##*/}"
