//! What a plan knows of the operator itself.
//!
//! Owns [`Config`]; it is made once at the start and read by nobody but the pure half.

/// Settings of the operator that shape what is built. An upgrade may change each, so that none may
/// reach the template of pods that serve by itself (I-06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Image of the sidecar for an `ErpGo` that names none; [`super::sidecar`] says from when on.
    pub sidecar_image: String,
    /// Namespace of the operator's own pods: the only ones that may reach a control port.
    pub operator_namespace: String,
}
