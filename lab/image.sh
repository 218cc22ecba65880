#!/bin/sh
# Makes the image that stands for a machine where there are no virtual ones: Debian with systemd, Docker and an SSH server.
# image.sh <directory to keep the file system in>; prints the archive that `docker import` takes. Done already is not done again.
set -eu
directory=$1
recipe=1
archive=$directory/machine-$recipe.tar
[ -f "$archive" ] && { echo "$archive"; exit 0; }
mkdir -p "$directory"
# One at a time: whoever comes second finds it done.
exec 9>"$directory/lock"
flock 9
[ -f "$archive" ] && { echo "$archive"; exit 0; }
base=$directory/machine
rm -rf --one-file-system "$base"
{
  debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,udev,iproute2,iptables,procps,kmod,ca-certificates,netbase bookworm "$base" http://deb.debian.org/debian
  # Nothing starts while packages are unpacked here.
  printf '#!/bin/sh\nexit 101\n' >"$base/usr/sbin/policy-rc.d"
  chmod +x "$base/usr/sbin/policy-rc.d"
  printf 'APT::Install-Recommends "false";\n' >"$base/etc/apt/apt.conf.d/99lab"
  cp /etc/resolv.conf "$base/etc/resolv.conf"
  chroot "$base" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive chroot "$base" apt-get install -y -qq \
    docker.io kubernetes-client busybox-static conntrack ipset openssl curl iputils-ping openssh-server sudo
  chroot "$base" apt-get clean
  # What a machine made of a container must not do: take the devices and the consoles of its host.
  for unit in systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
    getty@tty1.service systemd-logind.service e2scrub_reap.service; do
    ln -sf /dev/null "$base/etc/systemd/system/$unit"
  done
  # How Vagrant comes in; it replaces the key at once.
  chroot "$base" useradd -m -s /bin/bash vagrant
  echo 'vagrant ALL=(ALL) NOPASSWD:ALL' >"$base/etc/sudoers.d/vagrant"
  key=$(find /usr/share/rubygems-integration /opt/vagrant -path '*/keys/vagrant.pub' 2>/dev/null | head -1)
  if [ -n "$key" ]; then
    install -d -m 700 "$base/home/vagrant/.ssh"
    install -m 600 "$key" "$base/home/vagrant/.ssh/authorized_keys"
    chroot "$base" chown -R vagrant: /home/vagrant/.ssh
  fi
  # Containers in a container must do without CAP_SYS_RESOURCE where the host has none to give.
  cat >"$base/usr/local/sbin/lab-runc" <<'SCRIPT'
#!/bin/sh
if [ $((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) >> 24 & 1)) = 0 ]; then
  file= before=
  for word; do
    case $before in --bundle) file=$word/config.json ;; --process) file=$word ;; esac
    before=$word
  done
  [ -n "$file" ] && [ -f "$file" ] && sed -i -E 's/"CAP_SYS_RESOURCE",?//g; s/,\]/]/g; s/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/' "$file"
fi
exec runc "$@"
SCRIPT
  chmod 755 "$base/usr/local/sbin/lab-runc"
  mkdir -p "$base/etc/docker"
  echo '{"runtimes":{"lab":{"path":"/usr/local/sbin/lab-runc"}},"default-runtime":"lab","live-restore":true}' >"$base/etc/docker/daemon.json"
  rm -f "$base/etc/machine-id" "$base/etc/resolv.conf"
  : >"$base/etc/machine-id"
  tar -C "$base" --numeric-owner -cf "$archive.new" .
  rm -rf --one-file-system "$base"
} >&2
mv "$archive.new" "$archive"
echo "$archive"
