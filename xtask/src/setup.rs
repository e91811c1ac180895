//! `cargo xtask setup`: what building and testing needs besides Rust, and nothing more.

use std::process::Command;

use crate::{Result, no_arguments, process};

/// Something needed, how to see that it is there, and what brings it.
struct Need {
    what: &'static str,
    why: &'static str,
    check: &'static [&'static str],
    packages: &'static [&'static str],
    /// Whether only tests need it.
    tests: bool,
}

const NEEDS: &[Need] = &[
    Need {
        what: "a C compiler",
        why: "SQLite, Zstandard and Kafka's client are built from their C sources",
        check: &["cc", "--version"],
        packages: &["gcc", "libc6-dev"],
        tests: false,
    },
    Need {
        what: "a C++ compiler",
        why: "the build of Kafka's client asks for one",
        check: &["c++", "--version"],
        packages: &["g++"],
        tests: false,
    },
    Need {
        what: "make",
        why: "it builds Kafka's client",
        check: &["make", "--version"],
        packages: &["make"],
        tests: false,
    },
    Need {
        what: "Python 3",
        why: "data sets come as Python packages, and peers in benches are",
        check: &["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"],
        packages: &["python3"],
        tests: false,
    },
    Need {
        what: "pip",
        why: "it fetches the data sets",
        check: &["python3", "-m", "pip", "--version"],
        packages: &["python3-pip", "python3-venv"],
        tests: false,
    },
    Need {
        what: "a Java compiler",
        why: "the Kafka broker and the Flink that tests start run on Java, and our side of Flink is compiled",
        check: &["javac", "-version"],
        packages: &["openjdk-17-jdk-headless"],
        tests: true,
    },
    Need {
        what: "Maven",
        why: "it fetches the Kafka broker and the Flink that tests start",
        check: &["mvn", "--version"],
        packages: &["maven"],
        tests: true,
    },
];

const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "fmt"), ("clippy", "clippy")];

pub fn run(arguments: &[String]) -> Result<()> {
    no_arguments("setup", arguments)?;
    install_missing(true)
}

/// Installs what is missing of what building needs, and of what tests need if they are to run.
pub fn install_missing(for_tests: bool) -> Result<()> {
    for need in NEEDS.iter().filter(|need| for_tests || !need.tests) {
        if present(need) {
            println!("{:<14} found", need.what);
        } else {
            println!("{:<14} missing ({}): installing {}", need.what, need.why, need.packages.join(", "));
            install(need)?;
        }
    }
    for (component, subcommand) in COMPONENTS {
        if process::succeeds(crate::workspace::cargo().args([subcommand, "--version"])) {
            println!("{component:<14} found");
        } else {
            println!("{component:<14} missing: installing");
            process::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

fn present(need: &Need) -> bool {
    process::succeeds(Command::new(need.check[0]).args(&need.check[1..]))
}

fn install(need: &Need) -> Result<()> {
    let by_hand =
        format!("{} is missing ({}); install it (on Debian: {})", need.what, need.why, need.packages.join(", "));
    if !process::succeeds(Command::new("apt-get").arg("--version")) {
        return Err(by_hand.into());
    }
    // Without root or a sudo that asks nothing, installing is the user's to do.
    let is_root = process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root && !process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Err(by_hand.into());
    }
    let apt_get = || if is_root { Command::new("apt-get") } else { with_sudo() };
    process::run(apt_get().args(["update", "-q"]))?;
    process::run(apt_get().args(["install", "-y", "-q", "--no-install-recommends"]).args(need.packages))?;
    if present(need) {
        Ok(())
    } else {
        Err(format!("{by_hand}: the packages were installed, and it is still not found").into())
    }
}

fn with_sudo() -> Command {
    let mut command = Command::new("sudo");
    command.args(["-n", "apt-get"]);
    command
}
