#!/bin/sh
# Install the independent programs that the tests speak to, where that is possible.
# Where it is not, the tests that need one are skipped with the reason and counted.
set -u
missing=""
need() { # command, Debian package
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need tshark tshark
need ip iproute2
need wbxml2xml libwbxml2-utils
need chromium chromium
need dbus-daemon dbus
need gcc gcc
need syncevolution syncevolution
need syncevo-http-server "syncevolution-http python3-twisted"
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
need bearerbox kannel
need wapbox kannel
ldconfig -p 2>/dev/null | grep -q libopenobex.so.2 || missing="$missing libopenobex2"
PATH="$PATH:/usr/sbin" need pcscd pcscd
need opensc-tool opensc
need scriptor pcsc-tools
need cardpeek cardpeek
need osmo-auc-gen libosmocore-utils
[ -e /etc/reader.conf.d/vpcd ] || missing="$missing vsmartcard-vpcd"
/usr/bin/python3 -c "import smartcard" 2>/dev/null || missing="$missing python3-pyscard"
perl -MNet::SMPP -e 1 2>/dev/null || missing="$missing libnet-smpp-perl"

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "peers: installing$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # a list of packages
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "peers: missing$missing; their tests are skipped. On Debian: sudo apt-get install$missing"
fi
exit 0
