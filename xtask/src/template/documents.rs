//! The section of template.yaml that holds our SSM documents: each file of `shared/aws/documents`, indented.

use std::path::Path;

use anyhow::{Context, bail};

/// Where the documents stand.
pub(super) const FOLDER: &str = "shared/aws/documents";
const BEGIN: &str = "  # documents: begin\n";
const END: &str = "  # documents: end\n";

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// `Setup`, ...: the end of its name in SSM.
    pub(super) name: String,
    /// The file's text.
    pub(super) text: String,
}

/// All documents, by name. Without the folder there are none.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Document>> {
    let folder = root.join(FOLDER);
    let mut documents = Vec::new();
    if !folder.is_dir() {
        return Ok(documents);
    }
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let Some(stem) = stem.filter(|_| path.extension().is_some_and(|e| e == "yaml")) else { continue };
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        documents.push(Document { name: capitalised(&stem), text });
    }
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(documents)
}

fn capitalised(stem: &str) -> String {
    let mut letters = stem.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The template with the documents between its marks.
///
/// # Errors
/// The marks are not there, or twice.
pub(super) fn written_into(template: &str, documents: &[Document]) -> anyhow::Result<String> {
    let (Some((before, rest)), Some((_, after))) = (template.split_once(BEGIN), template.split_once(END)) else {
        bail!("template.yaml lacks the line `{}` or `{}`", BEGIN.trim(), END.trim());
    };
    if rest.contains(BEGIN) || after.contains(END) || !rest.contains(END) {
        bail!("template.yaml must have the lines `{}` and `{}` once, in this order", BEGIN.trim(), END.trim());
    }
    let section: String = documents.iter().map(resource).collect();
    Ok(format!("{before}{BEGIN}{section}{END}{after}"))
}

/// A document as a resource of the template.
fn resource(document: &Document) -> String {
    let Document { name, text } = document;
    let indented = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("        {line}\n") };
    let content: String = text.lines().filter(|line| *line != "---").map(indented).collect();
    format!(
        "  {name}Document:\n    Type: AWS::SSM::Document\n    Properties:\n      Name: !Sub ${{Installation}}-{name}\n      \
         DocumentType: Command\n      DocumentFormat: YAML\n      TargetType: /AWS::EC2::Instance\n      UpdateMethod: NewVersion\n      \
         Content:\n{content}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "Resources:\n  # documents: begin\n  Old:\n  # documents: end\n  After:\n";

    #[test]
    fn documents_stand_between_the_marks_and_nothing_else_changes() {
        let document =
            Document { name: capitalised("setup"), text: "---\nschemaVersion: \"2.2\"\n\nmainSteps:\n  - a\n".to_owned() };
        let written = written_into(TEMPLATE, &[document]).unwrap();
        let expected = "Resources:\n  # documents: begin\n  SetupDocument:\n    Type: AWS::SSM::Document\n    Properties:\n      \
            Name: !Sub ${Installation}-Setup\n      DocumentType: Command\n      DocumentFormat: YAML\n      \
            TargetType: /AWS::EC2::Instance\n      UpdateMethod: NewVersion\n      Content:\n        schemaVersion: \"2.2\"\n\n        \
            mainSteps:\n          - a\n\n  # documents: end\n  After:\n";
        assert_eq!(written, expected);
        assert_eq!(written_into(&written, &[]).unwrap(), TEMPLATE.replace("  Old:\n", ""));
    }

    #[test]
    fn without_its_marks_a_template_is_left_alone() {
        let error = written_into("Resources:\n", &[]).unwrap_err();
        assert_eq!(error.to_string(), "template.yaml lacks the line `# documents: begin` or `# documents: end`");
        let twice = format!("{TEMPLATE}{TEMPLATE}");
        let turned = "  # documents: end\n  # documents: begin\n";
        for wrong in [twice.as_str(), turned] {
            assert!(written_into(wrong, &[]).unwrap_err().to_string().contains("once, in this order"));
        }
    }
}
