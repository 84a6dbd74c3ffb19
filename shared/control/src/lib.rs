//! The control plane: the OpsWorks API, one file per action, and the lifecycle reconciler.
