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
# without a window a page takes half of the work; where there is no such package, any will do
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium-headless-shell >/dev/null; then
  if apt-cache show chromium-headless-shell >/dev/null 2>&1; then
    shell=chromium-headless-shell
  else
    shell=chromium
  fi
  browser=$(command -v chromium chromium-browser google-chrome | head -n 1)
  if [ -z "$browser" ] || { [ "$shell" != chromium ] && [ "$(id -u)" -eq 0 ]; }; then
    missing+=("$shell")
  fi
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
