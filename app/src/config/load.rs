//! From file and environment to [`Settings`].
//!
//! Owns which environment variables are settings, and the order: environment over file over
//! defaults. It reads, parses and reports; it changes nothing.

use std::path::{Path, PathBuf};

use figment::providers::{Env, Serialized};
use figment::value::Dict;
use figment::{Figment, Profile};

use super::{Settings, reader::Reader};

/// Where settings come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The file; one that does not exist counts as empty unless `required`.
    pub file: PathBuf,
    /// Whether the file was named by the user and must therefore exist.
    pub required: bool,
}

/// Everything that is wrong with the settings.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence a fault; never empty.
    pub faults: Vec<String>,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the configuration is not valid: {}",
            self.faults.join("; ")
        )
    }
}

impl std::error::Error for ConfigError {}

/// The largest settings file that is read.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Variables with our prefix that are not settings: they are read elsewhere.
const NOT_SETTINGS: [&str; 5] = [
    "CONFIG",
    "DEV_SECRETS",
    "TERMINATION_LOG",
    "BOOTSTRAP_DIR",
    "LOG",
];

/// Reads and checks all settings.
///
/// # Errors
/// Every fault at once.
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let fail = |fault: String| ConfigError {
        faults: vec![fault],
    };
    let tree = Figment::new()
        .merge(Serialized::from(
            read_file(sources).map_err(fail)?,
            Profile::Default,
        ))
        .merge(environment())
        .extract::<Dict>()
        .map_err(|_| fail("the environment cannot be read as settings".into()))?;
    check(tree)
}

pub(super) fn check(tree: Dict) -> Result<Settings, ConfigError> {
    let mut reader = Reader::new(tree);
    let settings = Settings::read(&mut reader);
    let faults = reader.finish();
    if faults.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigError { faults })
    }
}

fn environment() -> Env {
    Env::prefixed("ERPGO_")
        .filter(|key| is_setting(key.as_str()))
        .map(|key| match key.as_str() {
            // The name in the seed of every deployment; the nested spelling works as well.
            name if name.eq_ignore_ascii_case("SECRETS_DIR") => "secrets.dir".into(),
            name => name.to_ascii_lowercase().replace("__", ".").into(),
        })
}

fn is_setting(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    !NOT_SETTINGS.contains(&upper.as_str()) && !is_service_link(&upper)
}

/// Kubernetes describes a Service called `erpgo` to every pod beside it, as `ERPGO_SERVICE_HOST`,
/// `ERPGO_PORT` and `ERPGO_PORT_8080_TCP_ADDR`: a neighbour's name is no typing mistake.
fn is_service_link(upper: &str) -> bool {
    let from_port = |text: &str| text == "PORT" || text.starts_with("PORT_");
    upper.ends_with("SERVICE_HOST")
        || upper.ends_with("SERVICE_PORT")
        || upper.contains("SERVICE_PORT_")
        || upper.ends_with("_PORT")
        || upper.contains("_TCP") && upper.contains("PORT_")
        || upper.contains("_UDP") && upper.contains("PORT_")
        || from_port(upper)
}

fn read_file(sources: &Sources) -> Result<Dict, String> {
    let path = sources.file.as_path();
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !sources.required => {
            return Ok(Dict::new());
        }
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    if text.trim().is_empty() {
        return Ok(Dict::new());
    }
    parse_yaml(&text).map_err(|fault| format!("{} is not valid YAML: {fault}", path.display()))
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn parse_yaml(text: &str) -> Result<Dict, String> {
    let value: Option<serde_json::Value> =
        serde_saphyr::from_str(text).map_err(|error| first_line(&error.to_string()))?;
    match value {
        None | Some(serde_json::Value::Null) => Ok(Dict::new()),
        Some(value @ serde_json::Value::Object(_)) => {
            serde_json::from_value(value).map_err(|error| error.to_string())
        }
        Some(_) => Err("the top level must be a mapping".into()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
