# Machine with systemd for one command, in namespaces of its own: /etc is a copy, /run is empty, and `systemctl`
# starts the real broker and the real box as their units do.
#
# Environment: PROGRAM (instored), CONFIG (its configuration), WORK (folder), MODE (see systemctl below).
# Arguments: the script to run.
set -eu
mount --make-rprivate /
mkdir "$WORK/layer" "$WORK/bin"
mount -t tmpfs layer "$WORK/layer"
mkdir "$WORK/layer/upper" "$WORK/layer/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$WORK/layer/upper,workdir=$WORK/layer/work" /etc
mount -t tmpfs run /run
mount -t tmpfs log /var/log
mkdir -p /run/systemd/system /run/mosquitto /var/log/mosquitto /etc/instored
chmod 755 /etc/instored
chown mosquitto /run/mosquitto /var/log/mosquitto
cat > "$WORK/bin/systemctl" <<'SYSTEMCTL'
#!/bin/sh
echo "$*" >> "$WORK/calls"
stop() {
  [ ! -e "$WORK/$1.pid" ] || { kill "$(cat "$WORK/$1.pid")" && tail --pid="$(cat "$WORK/$1.pid")" -f /dev/null; rm "$WORK/$1.pid"; }
}
case "$*" in
  "restart mosquitto"|"try-restart mosquitto")
    # MODE=no-start: the broker does not start the first time. MODE=other-broker: the service is another program
    # than the broker that listens.
    if [ "$MODE" = no-start ] && [ ! -e "$WORK/failed" ]; then
      touch "$WORK/failed"; echo "Job for mosquitto.service failed" >&2; exit 1
    fi
    [ "$MODE" != other-broker ] || exit 0
    stop mosquitto
    /usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf 2>> "$WORK/broker.log" >&2 &
    echo $! > "$WORK/mosquitto.pid" ;;
  "start instored") [ -e "$WORK/instored.pid" ] || exec systemctl restart instored ;;
  "restart instored")
    stop instored
    credentials=/run/credentials/instored.service
    mkdir -p "$credentials"
    drop_in=/etc/systemd/system/instored.service.d/setup.conf
    sed -n 's/^LoadCredential=\(.*\):\(.*\)$/\1 \2/p' "$drop_in" | while read -r name file; do
      cp "$file" "$credentials/$name"
    done
    export CREDENTIALS_DIRECTORY="$credentials"
    for setting in $(sed -n "s|%d|$credentials|;s|^Environment=||p" "$drop_in"); do
      export "$setting"
    done
    "$PROGRAM" --config "$CONFIG" run > "$WORK/box.out" 2> "$WORK/box.log" &
    echo $! > "$WORK/instored.pid"
    until grep -q "ready box_name" "$WORK/box.log"; do sleep 0.1; done ;;
esac
SYSTEMCTL
chmod 755 "$WORK/bin/systemctl"
export PATH="$WORK/bin:$PATH"
eval "$1"
