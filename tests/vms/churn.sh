# Starts and stops, a third of them killed, as root with a cgroup, and as a user with one that was handed over.
top=/sys/fs/cgroup
mkdir -p /var/tmp/p
cat > /var/tmp/p/churn.toml <<'PROFILE'
extends = ["base"]
[files]
read = ["/var/tmp/t"]
[net]
enabled = true
[resources]
memory = "64M"
cpus = 4
pids = 32
[promises]
limits = "require"
exec = "prefer"
files = "prefer"
egress = "prefer"
ingress = "prefer"
processes = "prefer"
PROFILE
echo "+memory +pids +cpu" > $top/cgroup.subtree_control
mkdir $top/root $top/user
chown 1000:1000 $top/user $top/user/cgroup.procs $top/user/cgroup.subtree_control $top/user/cgroup.threads
seed=$(sed -n 's/.*seed=\([0-9]*\).*/\1/p' /proc/cmdline)
count=$(sed -n 's/.*count=\([0-9]*\).*/\1/p' /proc/cmdline)
churn() { /t/churn "$seed" "$count" $top/"$1" "$2" /var/tmp/t/flowjail /var/tmp/p/churn.toml /var/tmp/t/work; }
case_ churn-root churn root 0
case_ churn-user churn user 1000
