# shellcheck shell=bash
# Which images the demo's manifests get: the node's own, or those that a cluster of one's own pulls.

# Before anything is applied: pods without images would be waited for in vain.
choose_images() {
  IMAGE_PREFIX=erpgo.local IMAGE_TAG=dev
  using_current_cluster || return 0
  IMAGE_PREFIX=${ERPGO_IMAGE_PREFIX:-} IMAGE_TAG=${ERPGO_IMAGE_TAG:-dev}
  IMAGE_PREFIX=${IMAGE_PREFIX%/}
  if [[ -z $IMAGE_PREFIX ]]; then
    how_to_push registry.example.com/team
    die "CLUSTER=current needs ERPGO_IMAGE_PREFIX: where your cluster pulls our images from" \
      "for example: CLUSTER=current ERPGO_IMAGE_PREFIX=registry.example.com/team make demo"
  fi
  [[ $IMAGE_PREFIX =~ ^[a-z0-9./:_-]+$ && $IMAGE_TAG =~ ^[A-Za-z0-9._-]+$ ]] ||
    die "$IMAGE_PREFIX/erpgo:$IMAGE_TAG is no image" "see ERPGO_IMAGE_PREFIX and ERPGO_IMAGE_TAG"
  how_to_push "$IMAGE_PREFIX"
}

# how_to_push PREFIX
how_to_push() {
  local name folder
  say "your cluster pulls these images; push them there first if you have not:"
  for name in erpgo erpgo-operator sidecar-secrets; do
    case $name in
      erpgo) folder=app ;;
      erpgo-operator) folder=operator ;;
      *) folder=$name ;;
    esac
    say "  docker build -f $folder/Dockerfile -t $1/$name:$IMAGE_TAG . && docker push $1/$name:$IMAGE_TAG"
  done
}

# with_images: manifests that name the node's images, with those that were chosen.
with_images() {
  sed -E "s#erpgo\.local/([a-z-]+):dev#$IMAGE_PREFIX/\1:$IMAGE_TAG#g"
}
