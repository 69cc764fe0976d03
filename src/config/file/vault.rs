//! The sources of secrets of a configuration file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Period, Spanned};

/// `[vault.NAME.KIND]`: a source of secrets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum VaultTable {
    /// A local encrypted file, made by `claviger vault`.
    SealedFile(SealedFileTable),
    /// Environment variables.
    Environment(EnvironmentTable),
    /// A directory with one file per secret, as Kubernetes mounts them.
    Directory(DirectoryTable),
    /// A server of HashiCorp Vault or OpenBao.
    Hashicorp(Box<HashicorpTable>),
    /// AWS Secrets Manager.
    AwsSecretsManager(Box<SecretsManagerTable>),
    /// A program that prints secrets.
    Command(CommandTable),
}

/// `[vault.NAME.sealed_file]`. The master key comes from exactly one of `key_file`, `key_env`, `systemd_credential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SealedFileTable {
    /// The sealed file.
    pub(in crate::config) path: Text,
    /// A file with the master key, which this user alone may access. Default: another source.
    pub(in crate::config) key_file: Option<String>,
    /// An environment variable with the master key. Default: another source.
    pub(in crate::config) key_env: Option<String>,
    /// The name of a systemd credential with the master key. Default: another source.
    pub(in crate::config) systemd_credential: Option<String>,
    /// How long the last good value serves while the file cannot be read. Default `5m`.
    pub(in crate::config) max_stale: Option<Period>,
}

/// `[vault.NAME.environment]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct EnvironmentTable {
    /// What variable names begin with; a secret's path follows in upper case, with `_` for everything but letters and digits.
    pub(in crate::config) prefix: Text,
}

/// `[vault.NAME.directory]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct DirectoryTable {
    /// The directory.
    pub(in crate::config) path: Text,
    /// How long the last good value serves while a file cannot be read. Default `5m`.
    pub(in crate::config) max_stale: Option<Period>,
}

/// `[vault.NAME.hashicorp]`. A secret is named `NAME:MOUNT/PATH#FIELD`; without a field it is `value`. The token comes from exactly one of
/// `token_file`, `token_env`, `app_role`, `kubernetes`, `cert`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HashicorpTable {
    /// An `https` URL, or `http` on loopback, such as `https://vault.internal:8200`.
    pub(in crate::config) url: Text,
    /// The namespace. Default: none.
    pub(in crate::config) namespace: Option<String>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// The mounts that are of version 2 of the key-value engine. Others are read as they are: version 1, and engines that make secrets for a
    /// time. Default `secret`.
    pub(in crate::config) kv2: Option<Vec<String>>,
    /// A file with a token. Default: another source.
    pub(in crate::config) token_file: Option<String>,
    /// An environment variable with a token. Default: another source.
    pub(in crate::config) token_env: Option<String>,
    /// The AppRole that logs in. Default: another source.
    pub(in crate::config) app_role: Option<AppRoleTable>,
    /// The role of Kubernetes that logs in. Default: another source.
    pub(in crate::config) kubernetes: Option<KubernetesRoleTable>,
    /// The TLS client certificate that logs in. Default: another source.
    pub(in crate::config) cert: Option<CertTable>,
    /// How often a secret without a lease is read again, 1s to 1h. Default `30s`.
    pub(in crate::config) refresh: Option<Spanned<Period>>,
    /// How long one call may take, at most 30s. Default `5s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How long the last good value serves while the server cannot be asked, and never longer than its lease. Default `5m`.
    pub(in crate::config) max_stale: Option<Period>,
}

/// The AppRole method.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AppRoleTable {
    /// The role's id.
    pub(in crate::config) role_id: String,
    /// A file with the secret id.
    pub(in crate::config) secret_id_file: String,
    /// Where the method is mounted. Default `approle`.
    pub(in crate::config) mount: Option<String>,
}

/// The Kubernetes method.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct KubernetesRoleTable {
    /// The role.
    pub(in crate::config) role: String,
    /// A file with the service account's token. Default `/var/run/secrets/kubernetes.io/serviceaccount/token`.
    pub(in crate::config) token_file: Option<String>,
    /// Where the method is mounted. Default `kubernetes`.
    pub(in crate::config) mount: Option<String>,
}

/// `[vault.NAME.aws_secrets_manager]`. A secret is named `NAME:SECRET`, or `NAME:SECRET#FIELD` for a text in the JSON object that it is. The
/// access key is in another vault, of the kind `sealed_file`, `environment` or `directory`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SecretsManagerTable {
    /// The region, such as `eu-central-1`.
    pub(in crate::config) region: Text,
    /// Another endpoint, as an `https` URL without a path, or `http` on loopback. Default: the region's, `secretsmanager.REGION.amazonaws.com`.
    pub(in crate::config) url: Option<Text>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// The access key's id, as `vault:path`.
    pub(in crate::config) access_key: Text,
    /// The access key's secret, as `vault:path`.
    pub(in crate::config) secret: Text,
    /// The session token of a temporary key, as `vault:path`. Default: none.
    pub(in crate::config) session_token: Option<Text>,
    /// How often a secret is read again, 1s to 1h. Default `30s`.
    pub(in crate::config) refresh: Option<Spanned<Period>>,
    /// How long one call may take, at most 30s. Default `5s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How long the last good value serves while the server cannot be asked. Default `5m`.
    pub(in crate::config) max_stale: Option<Period>,
}

/// The method of TLS certificates. The certificate is shown at every call. The files are read again when they changed, at the next login or
/// when the server cannot be called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CertTable {
    /// A PEM file with the certificate, and those between it and its authority.
    pub(in crate::config) certificate: String,
    /// A PEM file with its key.
    pub(in crate::config) key: String,
    /// The role. Default: the one that the server finds for the certificate.
    pub(in crate::config) role: Option<String>,
    /// Where the method is mounted. Default `cert`.
    pub(in crate::config) mount: Option<String>,
}

/// `[vault.NAME.command]`. The program prints one secret and ends with 0; 44 says that there is none. It has no more of the environment than
/// `PATH` and `HOME`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct CommandTable {
    /// The program and its arguments, in which `{path}` stands for the secret's path, such as `["/usr/bin/pass", "show", "{path}"]`. No shell
    /// looks at them.
    pub(in crate::config) program: Spanned<Vec<String>>,
    /// How often a secret is asked for again, 1s to 1h. Default `1m`.
    pub(in crate::config) refresh: Option<Spanned<Period>>,
    /// How long the program may take, at most 30s. Default `5s`.
    pub(in crate::config) timeout: Option<Spanned<Period>>,
    /// How long the last good value serves while the program fails. Default `5m`.
    pub(in crate::config) max_stale: Option<Period>,
}
