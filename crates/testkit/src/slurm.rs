//! Slurm with three nodes on this machine.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::peer;

/// The nodes, each of four processors; the first has a GPU that is none.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// A controller, three nodes and their keys in a directory of their own, gone when this is dropped.
/// Needs root.
#[derive(Debug)]
pub struct SlurmCluster {
    directory: tempfile::TempDir,
    controller: Option<Child>,
    /// With the names of the nodes.
    nodes: Vec<(&'static str, Child)>,
    munge: Child,
}

impl SlurmCluster {
    /// Starts it; nothing if Slurm is not among the peers.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn start() -> Option<Self> {
        let _ = peer("slurm/slurmctld")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8Path::from_path(directory.path()).expect("a path in UTF-8");
        // Munge wants everybody to reach its socket.
        let open = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(root, open).expect("a directory of ours");
        for folder in ["munge", "state", "spool"] {
            fs_err::create_dir(root.join(folder)).expect("a folder");
        }
        let munge = start_munge(root);
        fs_err::write(root.join("slurm.conf"), configuration(root)).expect("slurm.conf");
        fs_err::write(
            root.join("gres.conf"),
            // A device that is there; a plain file is none to Slurm.
            "NodeName=n1 Name=gpu File=/dev/zero Flags=nvidia_gpu_env\n",
        )
        .expect("gres.conf");
        fs_err::write(root.join("cgroup.conf"), "CgroupAutomount=no\n").expect("cgroup.conf");
        let mut cluster = Self {
            controller: None,
            nodes: Vec::new(),
            munge,
            directory,
        };
        cluster.wait_for("munge", |cluster| {
            cluster.root().join("munge/socket").exists()
        });
        cluster.start_controller();
        for node in NODES {
            let child = cluster.daemon("slurmd", &["-N", node]);
            cluster.nodes.push((node, child));
        }
        cluster.wait_for("three idle nodes", |cluster| {
            cluster.ask("sinfo", &["--noheader", "--format=%T %D"]) == "idle 3\n"
        });
        Some(cluster)
    }

    /// The variable that leads Slurm's programs here, and its value.
    pub fn variable(&self) -> (&'static str, String) {
        ("SLURM_CONF", self.root().join("slurm.conf").into_string())
    }

    /// What a program of Slurm prints; nothing if it fails or takes ten seconds.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let (name, value) = self.variable();
        let output = Command::new("timeout")
            .args(["10", program])
            .args(arguments)
            .env(name, value)
            .stdin(Stdio::null())
            .output()
            .expect("a program of Slurm");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How many jobs there are in a state, like `RUNNING`.
    pub fn jobs(&self, state: &str) -> usize {
        let states = format!("--states={state}");
        self.ask("squeue", &["--noheader", &states, "--format=%i"])
            .lines()
            .count()
    }

    /// The nodes on which scripts of jobs run, even such as Slurm does not know any more.
    pub fn busy_nodes(&self) -> Vec<&'static str> {
        let nodes = NODES.into_iter();
        nodes
            .filter(|node| !self.scripts(node).is_empty())
            .collect()
    }

    /// Kills a node's daemons (SIGKILL). Its jobs go on, and nobody watches them any more.
    ///
    /// # Panics
    ///
    /// When there is no such node, or it was killed before.
    pub fn kill_node(&mut self, name: &str) {
        let place = self.nodes.iter().position(|(node, _)| *node == name);
        let (_, mut daemon) = self.nodes.remove(place.expect("a node that is up"));
        stop(&mut daemon);
        for script in self.scripts(name) {
            let status = fs_err::read_to_string(format!("/proc/{script}/status"));
            let parent = status.unwrap_or_default().lines().find_map(|line| {
                let id = line.strip_prefix("PPid:")?;
                id.trim().parse().ok()
            });
            if let Some(parent) = parent
                && name_of(parent) == "slurmstepd"
            {
                kill(parent);
            }
        }
    }

    /// Kills a node's daemons, and the scripts of its jobs with them.
    ///
    /// # Panics
    ///
    /// When there is no such node, or it was killed before.
    pub fn power_off_node(&mut self, name: &str) {
        self.kill_node(name);
        self.scripts(name).into_iter().for_each(kill);
    }

    /// Kills the controller (SIGKILL); it forgets what it did not write down.
    pub fn kill_controller(&mut self) {
        if let Some(mut controller) = self.controller.take() {
            stop(&mut controller);
        }
    }

    /// Starts the controller again.
    pub fn start_controller(&mut self) {
        let controller = self.daemon("slurmctld", &[]);
        self.controller = Some(controller);
    }

    /// Waits until something is so.
    ///
    /// # Panics
    ///
    /// When it is not after two minutes.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !condition(self) {
            assert!(
                begun.elapsed() < Duration::from_mins(2),
                "waited in vain for {what}: {}{}",
                self.ask("squeue", &["--states=all"]),
                fs_err::read_to_string(self.root().join("slurmctld.log")).unwrap_or_default()
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).expect("a path in UTF-8")
    }

    fn daemon(&self, program: &str, arguments: &[&str]) -> Child {
        let program = peer(&format!("slurm/{program}")).expect("all of Slurm or nothing");
        let (name, configuration) = self.variable();
        Command::new(program)
            .args(["-D", "-f", &configuration])
            .args(arguments)
            .env(name, &configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a daemon of Slurm")
    }

    /// The processes of a node's job scripts.
    fn scripts(&self, node: &str) -> Vec<u32> {
        let folder = self.root().join("spool").join(node).join("job");
        processes_of(&folder)
    }
}

impl Drop for SlurmCluster {
    fn drop(&mut self) {
        for (_, daemon) in &mut self.nodes {
            stop(daemon);
        }
        self.kill_controller();
        for node in NODES {
            self.scripts(node).into_iter().for_each(kill);
        }
        stop(&mut self.munge);
    }
}

/// The daemon that tells Slurm's processes who they are, with a key of its own.
fn start_munge(root: &Utf8Path) -> Child {
    let folder = root.join("munge");
    let key = folder.join("key");
    fs_err::write(&key, [42; 1024]).expect("a key");
    let own = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(&key, own).expect("a key of ours");
    let program = peer("slurm/munged").expect("all of Slurm or nothing");
    let place = |option: &str, name: &str| format!("--{option}={}", folder.join(name));
    Command::new(program)
        .args(["--foreground", "--num-threads=2"])
        .arg(place("key-file", "key"))
        .arg(place("socket", "socket"))
        .arg(place("pid-file", "pid"))
        .arg(place("log-file", "log"))
        .arg(place("seed-file", "seed"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("munged")
}

fn configuration(root: &Utf8Path) -> String {
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname").expect("a name of the machine");
    let host = host.trim().split('.').next().unwrap_or("localhost");
    // All held at once, so that they differ; taken by the daemons a moment later.
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [controller, ports @ ..] =
        listeners.map(|one| one.local_addr().expect("an address").port());
    let nodes: Vec<String> = NODES
        .iter()
        .zip(ports)
        .map(|(node, port)| {
            let gres = if *node == "n1" { " Gres=gpu:1" } else { "" };
            format!(
                "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=4000{gres}\n"
            )
        })
        .collect();
    // `config_overrides`: nodes may claim more processors than the machine has. `SlurmdTimeout`: a
    // node that does not answer is soon called down. No cgroups: they are the machine's.
    format!(
        "ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
DefMemPerCPU=50
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=5
KillWait=2
MpiDefault=none
MailProg=/bin/true
GresTypes=gpu
SlurmdParameters=config_overrides
{}PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
",
        nodes.concat()
    )
}

/// Processes one of whose arguments begins so.
fn processes_of(beginning: &Utf8PathBuf) -> Vec<u32> {
    let wanted = beginning.as_str().as_bytes();
    let entries = fs_err::read_dir("/proc").expect("processes");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id: &u32| {
            // It may be gone by now.
            let arguments = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            arguments
                .split(|byte| *byte == 0)
                .any(|argument| argument.starts_with(wanted))
        })
        .collect()
}

fn name_of(process: u32) -> String {
    let name = fs_err::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

fn kill(process: u32) {
    let _ = Command::new("kill")
        .args(["-KILL", &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
