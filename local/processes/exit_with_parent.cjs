// Preloaded into Node programs: they end in good order when the process that started them is gone (see lifetime.py).
process.stdin.resume();
process.stdin.on("end", () => process.kill(process.pid, "SIGINT"));
process.stdout.on("error", () => {}); // nobody reads it any more: no reason to break off before all is saved
