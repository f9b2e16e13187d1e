#!/bin/sh
# Makes what docker-compose.yml needs and git does not have: .env, the secrets and three folders.
# Files that exist are kept, so it can be run again.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.." # with CDPATH, cd would look for the folder elsewhere
secrets=docker/secrets
umask 077

random() { # 64 hexadecimal digits
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

sha256() {
    if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

keep() { # writes its input to a file unless the file exists; containers of any user may read it, but not other users here
    if [ ! -s "$secrets/$1" ]; then
        rm -f "$secrets/$1.new" # of a run that was interrupted; it may be read-only
        cat > "$secrets/$1.new"
        chmod 444 "$secrets/$1.new"
        mv -f "$secrets/$1.new" "$secrets/$1"
        echo "made $secrets/$1"
    fi
}

mkdir -p "$secrets"
chmod 700 "$secrets" # the files in it are readable, because the users of the containers read them
echo "redis://earmark:$(random)@redis:6379/0" | keep redis_url
random | keep redis_key
random | keep grafana_admin_password

# Redis gets a hash of the password in redis_url, and may be used only with it
password=$(sed 's|.*:\([^:@]*\)@.*|\1|' "$secrets/redis_url")
hash=$(printf %s "$password" | sha256)
users="user default off
user earmark on #$hash ~* &* +@all -@admin -@dangerous"
[ "$(cat "$secrets/redis_acl" 2> /dev/null)" = "$users" ] || rm -f "$secrets/redis_acl"
echo "$users" | keep redis_acl

for folder in docker/bundles docker/keys docker/recordings; do
    [ -d "$folder" ] || mkdir -m 755 "$folder"
done
if [ ! -e .env ]; then
    cp .env.example .env
    echo 'made .env'
fi
echo 'Ready: docker compose up'
