# What a kernel lacks, or is told to refuse: each as root and as a user, where everything is required and where it is only
# preferred. Before each lack the same start works.
mkdir -p /var/tmp/p
cd /var/tmp/p
all() {
    for promise in exec files native-code egress ingress privilege processes; do
        echo "$promise = \"$1\""
    done
}
profile() { # NAME LEVEL [LINES]
    {
        echo 'extends = ["node"]'
        echo "$3"
        echo '[files]'
        echo 'read = ["/var/tmp/t"]'
        echo '[promises]'
        all "$2"
        echo "$4"
    } > "$1.toml"
}
profile require require
profile prefer prefer
profile bare prefer 'jail = "bare"'
profile unseen require '' 'processes = "prefer"'
sed -i '/^processes = "require"/d' unseen.toml
chmod 644 ./*.toml

run() { # WHO PROFILE ACT [PREFIX...]
    local who=$1 chosen=$2 act=$3
    shift 3
    "as_$who" "$@" /var/tmp/t/flowjail run --profile "/var/tmp/p/$chosen.toml" -- /var/tmp/t/work "$act"
}
both() { # NAME PROFILE ACT [PREFIX...]
    local name=$1
    shift
    case_ "$name-root" run root "$@"
    case_ "$name-user" run user "$@"
}
plan() { "as_$1" /var/tmp/t/flowjail plan --profile "/var/tmp/p/$2.toml" -- /var/tmp/t/work say; }

for who in root user; do
    case_ "plan-$who" plan $who prefer
    case_ "plan-bare-$who" plan $who bare
done
case_ abi /var/tmp/t/work abi

both require require say
both unseen unseen say
both prefer prefer say
both bare bare say

# No listener: an outer filter answers EINVAL to its flag, as kernels do that do not know it.
both no-listener-require unseen say /var/tmp/t/failer seccomp:1=8/8 22 --
both no-listener-prefer prefer say /var/tmp/t/failer seccomp:1=8/8 22 --
both other-filter unseen say /var/tmp/t/failer keyctl 22 --

limit=/proc/sys/user/max_user_namespaces
before=$(cat $limit)
echo 0 > $limit
both no-namespaces-require unseen say
both no-namespaces-prefer prefer say
both no-namespaces-bare bare say
echo "$before" > $limit
both namespaces-again prefer say

debian=/proc/sys/kernel/unprivileged_userns_clone
echo 0 > $debian
both debian-require unseen say
both debian-prefer prefer say
both debian-bare bare say
echo 1 > $debian
both debian-again prefer say

# A refused execve is told with its path: the supervisor reads it from the program's memory.
both starts prefer starts
both starts-bare bare starts
yama=/proc/sys/kernel/yama/ptrace_scope
for scope in 1 2 3; do
    echo $scope > $yama
    case_ "yama-$scope" cat $yama
    both "yama-$scope-jail" prefer starts
    both "yama-$scope-bare" bare starts
done
