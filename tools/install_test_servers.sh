#!/usr/bin/env bash
# Installs what the tests need besides Python packages: memcached, redis-server,
# PostgreSQL, victoria-metrics, a Chromium and systemd's reader of units.
set -u

missing=()
command -v memcached >/dev/null || missing+=(memcached)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v victoria-metrics >/dev/null || missing+=(victoria-metrics)
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null \
  || missing+=(postgresql)
command -v systemd-analyze >/dev/null || missing+=(systemd)
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null \
  && ! command -v google-chrome >/dev/null && [ -z "${CHROMIUM:-}" ]; then
  missing+=(chromium)
fi
# without a window a page takes half of the work; where there is no such package, the other will do
if [ -z "${CHROMIUM:-}" ] && [ "$(id -u)" -eq 0 ] \
  && ! command -v chromium-headless-shell >/dev/null \
  && apt-cache show chromium-headless-shell >/dev/null 2>&1; then
  missing+=(chromium-headless-shell)
fi
command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null && exit 0
  echo "apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
echo "The tests need these Debian packages: ${missing[*]}" >&2
echo "Install them: sudo apt-get install ${missing[*]}" >&2
[ -z "${CI:-}" ]
