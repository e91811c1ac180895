//! A cluster of Apache Flink for tests: a job manager and task managers, each a process of its own, on free ports of this machine.
//!
//! ```no_run
//! use tidegate_tests::FlinkCluster;
//!
//! let mut cluster = FlinkCluster::start(2, 2);
//! assert_eq!(cluster.get("/overview")["slots-total"], 4);
//! cluster.kill_task_manager();
//! cluster.start_task_manager();
//! ```
//!
//! Flink's connector for Kafka is on the cluster's class path. Tidegate's archive is not: jobs bring it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::free_port;
use crate::data::data_set;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How often the cluster is asked.
const INTERVAL: Duration = Duration::from_millis(50);
/// Lines of a log that a failure shows.
const LOG_LINES: usize = 60;

/// Starts a process, and ends it when standard input does: when whoever holds the other end is gone, in whatever way.
const KEEPER: &str = r#"
exec 3<&0
"$@" >"$LOG" 2>&1 &
java=$!
echo "$java" >"$LOG.pid"
{ cat <&3 >/dev/null; kill -9 "$java"; } 2>/dev/null &
wait "$java"
"#;

/// A cluster. Its processes are killed when this goes, also if it goes because the test's process was killed.
#[derive(Debug)]
pub struct FlinkCluster {
    folder: TempDir,
    url: String,
    slots: usize,
    // Task managers before the job manager, as they are dropped in this order.
    task_managers: Vec<Kept>,
    _job_manager: Kept,
    started: usize,
    _room: Room,
}

/// How many Flinks may run at once: each takes its share of memory and processors, and waits for things that must not take too long.
const AT_ONCE_MAX: usize = 2;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ONE_LESS: Condvar = Condvar::new();

/// Room for one Flink, as long as this is there.
#[derive(Debug)]
pub struct Room(());

impl Room {
    /// Waits for its turn.
    pub fn wait() -> Self {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let running = ONE_LESS.wait_while(running, |running| *running >= AT_ONCE_MAX);
        *running.unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ONE_LESS.notify_one();
    }
}

/// A Java process and the shell that keeps it.
#[derive(Debug)]
struct Kept {
    keeper: Child,
    log: PathBuf,
}

impl FlinkCluster {
    /// Starts a cluster and waits until all its slots are there.
    ///
    /// # Panics
    /// If Java or Flink's archives are not there, or it is not ready in time.
    pub fn start(task_managers: usize, slots: usize) -> Self {
        // Another process may take the ports between looking for them and using them.
        (0..2)
            .find_map(|_| Self::try_start(slots, Room::wait()).ok())
            .unwrap_or_else(|| match Self::try_start(slots, Room::wait()) {
                Ok(cluster) => cluster,
                Err(log) => panic!("the job manager does not start:\n{log}"),
            })
            .with_task_managers(task_managers)
    }

    fn with_task_managers(mut self, wanted: usize) -> Self {
        (0..wanted).for_each(|_| self.add_task_manager());
        self.wait_for_task_managers(wanted);
        self
    }

    fn try_start(slots: usize, room: Room) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("tidegate-flink-").tempdir().expect("a temporary folder");
        let port = free_port();
        fs::create_dir(folder.path().join("conf")).expect("a folder");
        fs::write(folder.path().join("conf/config.yaml"), config(folder.path(), port, slots)).expect("a file");
        let main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint";
        let mut job_manager = Kept::start(folder.path(), "job-manager", main, "512m");
        let url = format!("http://127.0.0.1:{port}");
        let began = Instant::now();
        while get(&url, "/overview").is_err() {
            let ended = job_manager.keeper.try_wait().expect("a process can be asked").is_some();
            if ended || began.elapsed() > LIMIT {
                return Err(job_manager.log());
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(Self { folder, url, slots, task_managers: Vec::new(), _job_manager: job_manager, started: 0, _room: room })
    }

    /// The address of its REST API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Tidegate's archive, which jobs are submitted with.
    pub fn archive() -> PathBuf {
        let name = concat!("tidegate-flink-", env!("CARGO_PKG_VERSION"), ".jar");
        data_set("flink", &[".source", name]).join(name)
    }

    /// A folder that all its processes see, and that goes with it: savepoints are in `savepoints` there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What its REST API says at a path.
    ///
    /// # Panics
    /// If it does not answer with JSON.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        get(&self.url, path).unwrap_or_else(|error| panic!("{}{path}: {error}", self.url))
    }

    /// Asks at a path until the answer is as wanted.
    ///
    /// # Panics
    /// If it is not in time: with the answer, and the end of the logs.
    #[track_caller]
    pub fn wait_until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get(path);
            if is_so(&answer) {
                return answer;
            }
            assert!(began.elapsed() < LIMIT, "waited {LIMIT:?} at {path}, which says {answer}\n{}", self.logs());
            std::thread::sleep(INTERVAL);
        }
    }

    /// Kills a task manager (SIGKILL), and waits until the job manager has noticed.
    ///
    /// # Panics
    /// If there is none left, or it is not noticed in time.
    #[track_caller]
    pub fn kill_task_manager(&mut self) {
        let mut killed = self.task_managers.pop().expect("a task manager is left");
        let id = pid(&killed).to_string();
        assert!(Command::new("kill").args(["-9", &id]).status().expect("kill").success());
        killed.keeper.wait().expect("its end");
        self.wait_for_task_managers(self.task_managers.len());
    }

    /// Starts one more task manager, and waits until its slots are there.
    ///
    /// # Panics
    /// If they are not in time.
    #[track_caller]
    pub fn start_task_manager(&mut self) {
        self.add_task_manager();
        self.wait_for_task_managers(self.task_managers.len());
    }

    fn add_task_manager(&mut self) {
        self.started += 1;
        let main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";
        let name = format!("task-manager-{}", self.started);
        self.task_managers.push(Kept::start(self.folder.path(), &name, main, "384m"));
    }

    #[track_caller]
    fn wait_for_task_managers(&self, wanted: usize) {
        let slots = wanted * self.slots;
        self.wait_until("/overview", |overview| overview["taskmanagers"] == wanted && overview["slots-total"] == slots);
    }

    /// The process of a task manager.
    ///
    /// # Panics
    /// If there is none, or it has left no number.
    pub fn task_manager_pid(&self) -> u32 {
        let running = self.task_managers.last().expect("a task manager");
        pid(running)
    }

    /// The process of the job manager.
    ///
    /// # Panics
    /// If it has left no number.
    pub fn job_manager_pid(&self) -> u32 {
        pid(&self._job_manager)
    }

    /// All that the newest task manager has logged.
    ///
    /// # Panics
    /// If there is none, or no log.
    pub fn task_manager_log(&self) -> String {
        fs::read_to_string(&self.task_managers.last().expect("a task manager").log).expect("a log")
    }

    /// The last lines of what its processes have logged.
    pub fn logs(&self) -> String {
        let all = self.task_managers.iter().chain([&self._job_manager]);
        all.map(|kept| format!("--- {}\n{}\n", kept.log.display(), kept.log())).collect()
    }
}

fn pid(kept: &Kept) -> u32 {
    let id = fs::read_to_string(kept.log.with_extension("log.pid")).expect("its number");
    id.trim().parse().expect("a number")
}

impl Kept {
    fn start(folder: &Path, name: &str, main: &str, heap: &str) -> Self {
        let flink = data_set("flink", &[".source"]);
        let is_silent =
            |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("slf4j-nop"));
        let jars = glob::glob(flink.join("flink/*.jar").to_str().expect("UTF-8")).expect("a pattern").flatten();
        let logger = glob::glob(flink.join("log/*.jar").to_str().expect("UTF-8")).expect("a pattern").flatten();
        let jars = jars.filter(|path| !is_silent(path)).chain(logger);
        let kafka = glob::glob(flink.join("kafka/*.jar").to_str().expect("UTF-8")).expect("a pattern").flatten();
        let classes = std::env::join_paths(jars.chain(kafka)).expect("paths without colons");
        let test = std::env::current_exe().expect("a process knows its own file");
        let library = test.with_file_name("libtidegate_flink.so");
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper", "java"]);
        // What is held softly is let go at the first look, so that what is kept by mistake is told from what is kept for later.
        command.args([
            &format!("-Xmx{heap}"),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:SoftRefLRUPolicyMSPerMB=0",
        ]);
        for package in
            ["java.util", "java.util.concurrent", "java.lang", "java.lang.reflect", "java.net", "java.time", "java.nio"]
        {
            command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        command.arg(format!("-Dtidegate.flink.library={}", library.display())).arg("-cp").arg(classes);
        command.args([main, "--configDir"]).arg(folder.join("conf"));
        command.env("LOG", &log).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { keeper: command.spawn().expect("a shell"), log }
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The keeper sees the end of its input, and kills the process.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn get(url: &str, path: &str) -> Result<Value, String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build();
    let answer = config.new_agent().get(format!("{url}{path}")).call();
    let text = answer.and_then(|mut answer| answer.body_mut().read_to_string()).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Small, quick to tell of what happens, and nothing on fixed ports.
fn config(folder: &Path, port: u16, slots: usize) -> String {
    let rpc = free_port();
    let folder = folder.display();
    format!(
        "jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.process.size: 1g
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {port}
web.tmpdir: {folder}
web.refresh-interval: 200
metrics.fetcher.update-interval: 200 ms
io.tmp.dirs: {folder}
execution.checkpointing.savepoint-dir: file://{folder}/savepoints
execution.checkpointing.dir: file://{folder}/checkpoints
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 10
restart-strategy.fixed-delay.delay: 500 ms
heartbeat.interval: 1 s
heartbeat.timeout: 20 s
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: {slots}.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 160m
taskmanager.memory.network.max: 160m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
"
    )
}
