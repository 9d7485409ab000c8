import { describe, expect, test } from "bun:test";
import { aptLine, System, serverPackages, testPackages } from "../../tools/system-packages.ts";

const debian = ["/etc/debian_version", "/usr/bin/apt-get"];

function systemWith(files: readonly string[], arch: NodeJS.Architecture = "x64"): System {
  return new System((path) => files.includes(path), arch);
}

describe("the packages of a machine", () => {
  test("are all missing on a fresh one", () => {
    const fresh = systemWith(debian);
    expect(fresh.missing(serverPackages)).toEqual([
      "libpocketsphinx3",
      "pocketsphinx-en-us",
      "libopus0",
      "liblc3-0",
    ]);
    expect(fresh.missing(testPackages)).toEqual(["pocketsphinx-testdata"]);
    expect(fresh.isDebian).toBe(true);
  });

  test("are found by their libraries, wherever the architecture keeps them, and by their files", () => {
    const files = [
      "/usr/lib/aarch64-linux-gnu/libpocketsphinx.so.3",
      "/usr/share/pocketsphinx/model/en-us/en-us/mdef",
      "/usr/local/lib/libopus.so.0",
    ];
    expect(systemWith(files, "arm64").missing(serverPackages)).toEqual(["liblc3-0"]);
    expect(systemWith(files, "x64").missing(serverPackages)).toEqual(["libpocketsphinx3", "liblc3-0"]);
  });

  test("cannot be installed where there is no apt-get", () => {
    expect(systemWith(["/etc/debian_version"]).isDebian).toBe(false);
    expect(systemWith([]).isDebian).toBe(false);
  });

  test("are asked for in one line", () => {
    expect(aptLine(["liblc3-0", "libopus0"])).toBe(
      "apt-get install -y --no-install-recommends liblc3-0 libopus0",
    );
  });
});
