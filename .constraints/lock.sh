#!/bin/sh
# Write the hashed lock files: worker (Beam workers), train (data and training), dev (tests too).
# Usage: .constraints/lock.sh [uv options, such as --find-links FOLDER]
set -eu
here=$(dirname "$0")
common="--generate-hashes --python-version 3.11 --no-annotate --no-header --quiet"
for name in worker train dev; do
    case $name in
        worker) extras="--extra fast --extra segment --extra gcp --extra aws" ;;
        train) extras="--extra fast --extra segment --extra train" ;;
        dev) extras="--extra fast --extra segment --extra train --extra gcp --extra aws --extra dev" ;;
    esac
    # shellcheck disable=SC2086
    uv pip compile "$here/../pyproject.toml" $extras $common "$@" --output-file "$here/$name.txt"
    # torch is locked by its public version, so that the CPU build is taken where one lies at hand
    # (its hash is kept) and the registry's CUDA build elsewhere (its hashes are added).
    if grep -q '^torch==' "$here/$name.txt"; then
        echo "torch==2.13.0" | uv pip compile - $common --no-deps --no-find-links \
            --output-file "$here/.torch" 2>/dev/null || \
        echo "torch==2.13.0" | env -u PIP_FIND_LINKS uv pip compile - $common --no-deps \
            --output-file "$here/.torch"
        sed -i 's/^torch==\([0-9.]*\)+cpu/torch==\1/' "$here/$name.txt"
        grep -o 'sha256:[0-9a-f]*' "$here/.torch" | while read -r hash; do
            # uv keeps the hashes that the file has already.
            grep -q "$hash" "$here/$name.txt" || sed -i "/^torch==/a\\    --hash=$hash \\\\" "$here/$name.txt"
        done
        rm "$here/.torch"
    fi
done
