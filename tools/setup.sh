# SPDX-License-Identifier: Apache-2.0
# Sourced by ./demo and ./test: what they need of Debian, and how it gets there.

# Builds the program.
runtime_packages=(
  g++ cmake ninja-build pkg-config git ca-certificates
  nlohmann-json3-dev libfmt-dev libcli11-dev libyaml-cpp-dev libjpeg62-turbo-dev libpng-dev
  zlib1g-dev libwebp-dev libsentencepiece-dev libpcre2-dev libglib2.0-dev librsvg2-dev libcairo2-dev libarchive-dev libssl-dev libcurl4-openssl-dev)

# Builds the trainer, the tests and the reading of videos as well, and checks the code.
test_packages=(
  "${runtime_packages[@]}"
  libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
  libtorch-dev libgtest-dev libgmock-dev libsimde-dev python3 clang-format universal-ctags xz-utils
  g++-aarch64-linux-gnu qemu-user)

say() { printf '%s\n' "$*" >&2; }

# Installs those of the named packages that are missing, after saying which.
install_missing() {
  local missing=() package
  for package in "$@"; do
    case "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" in
      ii*) ;;
      *) missing+=("$package") ;;
    esac
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "Missing Debian packages: ${missing[*]}"
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      say "Install them as root: apt-get install ${missing[*]}"
      return 1
    fi
    say "Installing them with apt-get needs root: sudo may ask for your password."
    root=(sudo)
    [ -t 0 ] || root=(sudo -n)
  fi
  say "Installing them now (once)."
  local log
  log=$(mktemp)
  if ! { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
         "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
      </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "apt-get failed; its whole output is in $log"
    return 1
  fi
  rm -f "$log"
}

# build PRESET [TARGET…]: configures where that was not done yet, then builds what changed. Quiet;
# on failure shows the end of build/PRESET.log.
build() {
  local preset=$1 log=build/$1.log
  shift
  mkdir -p build
  if [ ! -f "build/$preset/build.ninja" ]; then
    say "Building (once; minutes on few cores; progress in $log)"
    cmake --preset "$preset" >"$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }
  fi
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  cmake --build "build/$preset" "${targets[@]}" >>"$log" 2>&1 </dev/null || { tail -n 30 "$log" >&2; return 1; }
}
