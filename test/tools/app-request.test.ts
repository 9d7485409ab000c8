import { describe, expect, test } from "bun:test";
import { readAppRequest } from "../../tools/app-request.ts";

describe("a request to register an app", () => {
  test("needs no more than package and address", () => {
    const { key, ...app } = readAppRequest(["com.example.captions", "http://127.0.0.1:7010/"], {});
    expect(app).toEqual({
      packageName: "com.example.captions",
      publicUrl: "http://127.0.0.1:7010",
      name: "com.example.captions",
      type: "standard",
      permissions: [],
    });
    expect(key.length).toBeGreaterThanOrEqual(32);
    expect(readAppRequest(["com.example.captions", "http://127.0.0.1:7010"], {}).key).not.toBe(key);
  });

  test("takes all options", () => {
    expect(
      readAppRequest(["a.b", "https://apps.example.com/captions"], {
        name: "Captions",
        type: "background",
        permission: ["microphone", "LOCATION", "MICROPHONE"],
        key: "a-key-of-mine",
      }),
    ).toEqual({
      packageName: "a.b",
      publicUrl: "https://apps.example.com/captions",
      name: "Captions",
      type: "background",
      permissions: ["MICROPHONE", "LOCATION"],
      key: "a-key-of-mine",
    });
  });

  test.each([
    [[], {}, "takes a package name"],
    [["a.b"], {}, "takes a package name"],
    [["a.b", "http://a", "c"], {}, "takes a package name"],
    [["captions", "http://a"], {}, "captions is not a package name"],
    [["a b.c", "http://a"], {}, "is not a package name"],
    [["a.b", "127.0.0.1:7010"], {}, "is not an address"],
    [["a.b", "ftp://a"], {}, "is not an address"],
    [["a.b", "http://a/?x=1"], {}, "is not an address"],
    [["a.b", "http://a"], { type: "foreground" }, "foreground is not a type"],
    [["a.b", "http://a"], { permission: ["EARS"] }, "EARS is not a permission"],
    [["a.b", "http://a"], { key: "short" }, "at least 8"],
  ])("is refused in one line: %p %p", (positionals, options, problem) => {
    expect(() => readAppRequest(positionals, options)).toThrow(problem);
  });
});
