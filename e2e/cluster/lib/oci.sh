# shellcheck shell=bash
# Images without a container engine: one layer with static files, written as a docker archive and
# imported into containerd. The same files give the same bytes.

# import_image REF USER ENTRYPOINT FILE=PATH_IN_IMAGE[:MODE]...: does nothing when the image is there unchanged.
import_image() {
  local ref=$1 user=$2 entrypoint=$3 fingerprint record aside
  shift 3
  record=$STATE/images/${ref//[\/:]/_}
  fingerprint=$(image_fingerprint "$user" "$entrypoint" "$@")
  if [[ $(cat "$record" 2>/dev/null) = "$fingerprint" ]] && has_image "$ref"; then
    return 0
  fi
  aside=$(mktemp -d "$STATE/image.XXXXXX")
  write_archive "$aside" "$ref" "$user" "$entrypoint" "$@"
  ctr images import --local --snapshotter overlayfs "$aside/image.tar" >>"$LOGS/images.log" 2>&1 ||
    { show_tail "$LOGS/images.log" && die "importing $ref failed"; }
  rm -rf "$aside"
  mkdir -p "$STATE/images"
  printf '%s\n' "$fingerprint" >"$record"
  step "imported $ref"
}

# Asks containerd once per script: what an import adds afterwards needs no second look.
has_image() {
  PRESENT_IMAGES=${PRESENT_IMAGES-$(ctr images ls -q)}
  grep -qxF "$1" <<<"$PRESENT_IMAGES"
}

image_fingerprint() {
  local entry
  printf '%s\n' "$@" | sha256sum
  for entry in "${@:3}"; do
    sha256sum <"${entry%%=*}"
  done
}

# write_archive DIR REF USER ENTRYPOINT FILE=PATH...
write_archive() {
  local dir=$1 ref=$2 user=$3 entrypoint=$4
  shift 4
  write_layer "$dir" "$@"
  write_image_json "$dir" "$ref" "$user" "$entrypoint"
  deterministic_tar "$dir/image.tar" "$dir" manifest.json config.json layer.tar
}

write_layer() {
  local dir=$1 entry from to
  shift
  for entry in "$@"; do
    from=${entry%%=*} to=$dir/root${entry#*=}
    mkdir -p "$(dirname "$to")"
    install -m "$([[ -x $from ]] && echo 0755 || echo 0644)" "$from" "$to"
  done
  find "$dir/root" -type d -exec chmod 0755 {} +
  deterministic_tar "$dir/layer.tar" "$dir/root" .
}

write_image_json() {
  local dir=$1 ref=$2 user=$3 entrypoint=$4 diff_id
  diff_id=$(sha256sum "$dir/layer.tar" | cut -d' ' -f1)
  jq -nc --arg user "$user" --arg entrypoint "$entrypoint" --arg diff_id "sha256:$diff_id" \
    '{architecture: "amd64", os: "linux", created: "1970-01-01T00:00:00Z",
      config: {User: $user, Entrypoint: [$entrypoint], WorkingDir: "/"},
      rootfs: {type: "layers", diff_ids: [$diff_id]}}' >"$dir/config.json"
  jq -nc --arg ref "$ref" '[{Config: "config.json", RepoTags: [$ref], Layers: ["layer.tar"]}]' >"$dir/manifest.json"
}

# deterministic_tar TAR DIR NAMES...
deterministic_tar() {
  local tar=$1 dir=$2
  shift 2
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -C "$dir" -cf "$tar" "$@"
}
