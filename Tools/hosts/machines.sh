#!/bin/bash
# Clusters over network namespaces that stand for machines; see README.md beside this file.
set -eu
tessera=$(realpath "${1:?usage: machines.sh TESSERA}")
preset=${2:-amused-tiny}
work=$(mktemp -d)
network=10.93.7
names="head a b"
say() { printf '\n== %s\n' "$*"; }
in_machine() { local name=$1; shift; ip netns exec "tessera-$name" "$@"; }
# For the background: $! is the process itself, not a shell that waits for it.
become() { local name=$1; shift; exec ip netns exec "tessera-$name" "$@"; }

clean() {
    for name in $names; do
        ip netns pids "tessera-$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns delete "tessera-$name" 2>/dev/null || true
    done
    ip link delete tessera0 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT

say "three machines"
ip link add tessera0 type bridge
ip link set tessera0 up
number=0
for name in $names; do
    number=$((number + 1))
    ip netns add "tessera-$name"
    ip link add "tsr-$name" type veth peer name eth0 netns "tessera-$name"
    ip link set "tsr-$name" master tessera0 up
    in_machine "$name" ip link set lo up
    in_machine "$name" ip address add "$network.$number/24" dev eth0
    in_machine "$name" ip link set eth0 up
    echo "$name has $network.$number"
done

# A cluster file of a launcher; further lines follow.
file() {
    cat > "$work/$1.yaml" <<END
name: machines
model: {preset: $preset}
mesh: {model: 2}
control: {host: $2}
data_plane: {carrier: zeromq}
server: {enabled: false}
security: {key_file: $work/cluster.key}
END
    cat >> "$work/$1.yaml"
}
generate() { "$tessera" generate "a red fox in snow" -c "$work/$1.yaml" --seed 7 --steps "${3:-4}" -o "$work/$2.png"; }
machine_generate() {
    in_machine head "$tessera" generate "a red fox in snow" -c "$work/$1.yaml" --seed 7 --steps "${3:-4}" -o "$work/$2.png"
}
worker() {
    become "$1" "$tessera" worker --connect "tcp://$network.1:29600" --name "$2" --cluster-id machines --rejoin \
        --key-file "$work/cluster.key" --wait 2m --log-level info > "$work/$2.log" 2>&1 &
}
wait_for() {
    for _ in $(seq 1200); do grep -q "$2" "$1" && return 0; sleep 0.1; done
    echo "'$2' was not said:"; cat "$1"; exit 1
}
compare() {
    cmp "$work/local.png" "$work/$1.png" && echo "equal: $(sha256sum < "$work/$1.png" | cut -c 1-16)  $1"
}

"$tessera" key --out "$work/cluster.key"
say "local workers"
file local 127.0.0.1 <<< "workers: {launcher: local}"
generate local local 2> "$work/local.log"
echo "$(sha256sum < "$work/local.png" | cut -c 1-16)  local"

say "external workers, the coordinator listening on all interfaces"
file external 0.0.0.0 <<END
workers: {launcher: external, hosts: [{host: a}, {host: b}]}
END
sed -i "s/control: {host: 0.0.0.0}/control: {host: 0.0.0.0, advertise: $network.1}/" "$work/external.yaml"
worker a worker-0
machine_generate external external 2> "$work/external.log" & order=$!
wait_for "$work/external.log" "still missing: worker-1"
worker b worker-1
wait $order
grep -E "waiting|joined" "$work/external.log"
compare external
grep -o "data to and from rank.*" "$work/worker-0.log" | sort -u

say "a lost link under tessera up"
become head "$tessera" up "$work/external.yaml" > "$work/up.log" 2>&1 & up=$!
wait_for "$work/up.log" "is ready at"
in_machine head ss -Htn state established sport = :29600 | awk '{print "connected:", $3, "<-", $4}'
machine_generate external lost 400 2> "$work/lost.log" & order=$!
wait_for "$work/lost.log" "step 20 of"
ip link set tsr-b down
wait_for "$work/up.log" "is awaited again"
sleep 6
ip link set tsr-b up
wait $order
grep -E "awaited|joined|whole" "$work/up.log" | cut -c 1-200
kill $up; wait $up || true
generate local local400 400 2> "$work/local.log"
cmp "$work/local400.png" "$work/lost.png" && echo "equal: $(sha256sum < "$work/lost.png" | cut -c 1-16)  after the loss"
for name in a b; do ip netns pids "tessera-$name" | xargs -r kill; done

if [ -x /usr/sbin/sshd ]; then
    say "ssh"
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N "" -f "$work/host"
    ssh-keygen -q -t ed25519 -N "" -f "$work/user"
    cp "$work/user.pub" "$work/authorized"
    chmod 711 "$work"; chmod 644 "$work/authorized"
    cat > "$work/sshd_config" <<END
HostKey $work/host
AuthorizedKeysFile $work/authorized
PasswordAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
END
    number=1
    for name in a b; do
        number=$((number + 1))
        in_machine "$name" /usr/sbin/sshd -f "$work/sshd_config" -o "ListenAddress $network.$number" -E "$work/sshd.log"
        echo "$network.$number $(cut -d ' ' -f 1,2 "$work/host.pub")" >> "$work/known"
    done
    mkdir -p "$work/it's a \$(folder)"
    cp "$tessera" "$work/it's a \$(folder)/tessera"
    file ssh 0.0.0.0 <<END
workers:
  launcher: ssh
  hosts: [{host: $network.2}, {host: root@$network.3}]
  ssh:
    options: [-i, $work/user, -o, IdentitiesOnly=yes, -o, UserKnownHostsFile=$work/known]
    executable: "$work/it's a \$(folder)/tessera"
END
    in_machine head "$tessera" doctor "$work/ssh.yaml" --hosts | tail -2
    machine_generate ssh ssh 2> "$work/ssh.log"
    grep starting "$work/ssh.log"
    compare ssh
    become head "$tessera" up "$work/ssh.yaml" > "$work/up.log" 2>&1 & up=$!
    wait_for "$work/up.log" "is ready at"
    pgrep -f "name worker-[01] --cluster-id machines --attached" -a | grep -v ssh | cut -c 1-160
    kill -9 $up; wait $up || true
    for _ in $(seq 100); do
        pgrep -f "cluster-id machines --attached" > /dev/null || break; sleep 0.1
    done
    echo "workers left after the coordinator was killed: $(pgrep -fc "cluster-id machines --attached" || true)"
    pgrep -f "cluster-id machines --attached" > /dev/null && exit 1
fi
say "all pictures are equal"
