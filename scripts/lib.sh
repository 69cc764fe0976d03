# What the scripts share: messages, and the tools that a build needs. Sourced, never run.

say() { printf '==> %s\n' "$*"; }
die() { printf '%s\n' "$2" >&2; exit "$1"; }

# The project's root becomes the working directory; a Rust installed by rustup is found even by a bare shell.
enter_project() {
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
}

need_rust() {
  command -v cargo >/dev/null || die 3 "cargo was not found. Install Rust from https://rustup.rs:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
and run this again."
}

need_rust_components() {
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    die 3 "rustfmt or clippy is missing: rustup component add rustfmt clippy"
  fi
}

# The crates with C parts (cryptography, compression, SQLite) want a C compiler with headers, make and cmake.
need_build_tools() {
  local packages=()
  if ! cc -E -include stdlib.h -x c /dev/null >/dev/null 2>&1 || ! command -v make >/dev/null; then
    packages+=(build-essential)
  fi
  command -v cmake >/dev/null || packages+=(cmake)
  [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
}

# What tests drive the program with. One that finds no wrk says so and is skipped.
need_test_tools() {
  command -v wrk >/dev/null || (install_packages wrk) || say "wrk could not be installed: its test is skipped"
  command -v valgrind >/dev/null || (install_packages valgrind) || say "valgrind could not be installed: instructions are not counted"
  command -v redis-server >/dev/null || (install_packages redis-server) || say "Redis could not be installed: its tests are skipped"
  need_python || say "botocore, moto, sqlmap, aiosmtpd and OpenTelemetry's messages could not be installed: their tests are skipped"
  command -v rsyslogd >/dev/null || (install_packages rsyslog rsyslog-openssl) || say "rsyslog could not be installed: its tests are skipped"
  [ -x /usr/sbin/logrotate ] || (install_packages logrotate) || say "logrotate could not be installed: its test is skipped"
  command -v prometheus >/dev/null || (install_packages prometheus) || say "Prometheus could not be installed: its tests are skipped"
  command -v prometheus-alertmanager >/dev/null || (install_packages prometheus-alertmanager) || say "Alertmanager could not be installed: its test is skipped"
  command -v faketime >/dev/null || (install_packages faketime) || say "faketime could not be installed: its tests are skipped"
  need_provider || say "the OpenID provider could not be installed: its tests are skipped"
  need_rvault || say "RustyVault could not be installed: its tests are skipped"
}

# The OpenID provider of tests/provider, in target/provider; installed again when its lock file has changed.
need_provider() (
  set +e
  command -v node >/dev/null && command -v npm >/dev/null || (install_packages nodejs npm) || return 1
  mkdir -p target/provider && cd target/provider || return 1
  cmp -s ../../tests/provider/package-lock.json installed.json && return 0
  say "npm ci in target/provider"
  cp ../../tests/provider/package.json ../../tests/provider/package-lock.json . &&
    npm ci --no-audit --no-fund --ignore-scripts && cp package-lock.json installed.json
)

# AWS's own signer, moto, which stands in for AWS, sqlmap, which looks for holes, and OpenTelemetry's messages, in target/python; installed again
# when the versions that are asked for have changed.
need_python() (
  set +e
  cmp -s tests/python/requirements.txt target/python/installed.txt && return 0
  command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || (install_packages python3 python3-venv) || return 1
  say "pip install botocore, moto, sqlmap and opentelemetry-proto in target/python"
  mkdir -p target && python3 -m venv target/python &&
    target/python/bin/pip install -q --disable-pip-version-check -r tests/python/requirements.txt &&
    cp tests/python/requirements.txt target/python/installed.txt
)

# A real server of Vault's API, in target/rvault, or where CLAVIGER_RVAULT says that it is; it takes minutes to compile.
need_rvault() (
  set +e
  local version=0.2.1
  [ -z "${CLAVIGER_RVAULT:-}" ] || return 0
  grep -qs "rusty_vault $version " target/rvault/.crates.toml && return 0
  if [ "${RVAULT:-0}" != 1 ]; then
    say "skipped: RustyVault not installed (RVAULT=1 or --full installs it)"
    return 0
  fi
  pkg-config --exists openssl 2>/dev/null || (install_packages pkg-config libssl-dev) || return 1
  say "cargo install rusty_vault"
  cargo install --locked --quiet --version "$version" --root target/rvault rusty_vault
)

install_packages() {
  local as_root=()
  command -v apt-get >/dev/null || die 3 "missing tools; install what your system calls: $*"
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || die 3 "missing tools; as root, run: apt-get install $*"
  fi
  say "installing $*"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
