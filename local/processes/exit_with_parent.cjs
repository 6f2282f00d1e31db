// Preloaded into Node programs: ends them in good order when their parent process has ended (see lifetime.py).
process.stdin.resume();
process.stdin.on("end", () => process.kill(process.pid, "SIGINT"));
process.stdout.on("error", () => {}); // the parent no longer reads it; without this, Node would exit before it has saved
