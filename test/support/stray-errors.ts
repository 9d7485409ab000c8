/** Loaded into a server before its own code: on a signal, something goes wrong in it that nobody has thought of. */
process.on("SIGUSR2", () => {
  void Promise.reject(new Error("nobody waits for this"));
  setTimeout(() => {
    throw new Error("nobody catches this");
  }, 0);
});
