import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { parseAppMessage } from "../../src/wire/apps.ts";
import { parseGlassesMessage } from "../../src/wire/glasses.ts";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/compatibility.md", root), "utf8");

type Status = "served" | "refused" | "not offered" | "never sent";

/** One row of a table: what it is about, and the file and title of the test that shows it. */
interface Row {
  readonly section: string;
  readonly name: string;
  /** The cells between. */
  readonly cells: readonly string[];
  readonly shown: string;
  readonly file: string;
  readonly title: string;
}

const rows: readonly Row[] = page.split("\n## ").flatMap((text) => {
  const section = text.split("\n", 1)[0] ?? "";
  return [...text.matchAll(/^\| (?!-)(.+) \|$/gm)].slice(1).map(([, row = ""]) => {
    const [name = "", ...cells] = row.split(" | ");
    const shown = cells.pop() ?? "";
    const [, file = "", title = ""] = /^`([^`]+)`: (.+)$/.exec(shown) ?? [];
    return { section, name: name.replaceAll("`", ""), cells, shown, file, title };
  });
});

function rowsOf(section: string): readonly Row[] {
  return rows.filter((row) => row.section.startsWith(section));
}

function listed(section: string): string[] {
  return rowsOf(section).map(({ name }) => name);
}

/** Everything that the protocol of apps and that of glasses have, and what is to become of it here. */
const protocols: Readonly<Record<string, Readonly<Record<Status, string>>>> = {
  "From apps": {
    served: `tpa_connection_init subscription_update display_event ownership_release dashboard_content_update
      dashboard_system_update dashboard_mode_change photo_request audio_play_request audio_stop_request
      rgb_led_control location_poll_request request_wifi_setup rtmp_stream_stop managed_stream_stop
      stream_status_check app_broadcast_message app_direct_message app_room_join app_room_leave`,
    refused: "rtmp_stream_request managed_stream_request",
    "not offered": "app_user_discovery",
    "never sent": "",
  },
  "To apps": {
    served: `tpa_connection_ack tpa_connection_error data_stream settings_update augmentos_settings_update
      capabilities_update device_state_update dashboard_mode_changed custom_message permission_error
      audio_play_response rgb_led_control_response rtmp_stream_status managed_stream_status
      stream_status_check_response app_message_received app_direct_message_response app_user_joined app_user_left
      app_room_updated app_stopped`,
    refused: "",
    "not offered": "",
    "never sent": `connection_error photo_response websocket_error connection_ack ping reconnect location_update
      transcription dashboard_always_on_changed`,
  },
  "From glasses": {
    served: `connection_init ping pong start_app stop_app VAD glasses_connection_state core_status_update
      request_settings settings_update_request button_press head_position touch_event glasses_battery_update
      phone_battery_update location_update phone_notification phone_notification_dismissed calendar_event
      local_transcription photo_response photo_taken audio_play_response rgb_led_control_response open_dashboard
      dashboard_state vps_coordinates video_stream_response swipe_volume_status switch_status
      phone_subscription_update`,
    refused: "",
    "not offered": `rtmp_stream_status stream_status keep_alive_ack config udp_register udp_unregister
      livekit_init`,
    "never sent": "",
  },
  "To glasses": {
    served: `connection_ack connection_error app_state_change app_started app_stopped microphone_state_change
      display_event photo_request settings_update set_location_tier request_single_location audio_play_request
      audio_stop_request rgb_led_control show_wifi_setup data_stream`,
    refused: "",
    "not offered": "",
    "never sent": `auth_error augmentos_settings_update_error start_rtmp_stream stop_rtmp_stream
      keep_rtmp_stream_alive start_stream stop_stream keep_stream_alive camera_fov_set udp_ping_ack
      start_buffer_recording stop_buffer_recording save_buffer_video start_video_recording stop_video_recording
      reconnect dashboard_mode_change dashboard_always_on_change livekit_info websocket_error ping`,
  },
};

/** Requests of both protocols: of this server to those of apps, and of apps and phones to this one. */
const requests: Readonly<Record<string, readonly (readonly [name: string, status: Status])[]>> = {
  "To apps": [
    ["POST /webhook session_request", "served"],
    ["POST /webhook stop_request", "served"],
    ["GET /health", "served"],
    ["POST /photo-upload", "served"],
    ["POST /settings", "never sent"],
    ["POST /tool", "never sent"],
    ["GET /tool", "never sent"],
    ["GET /mentra-auth", "never sent"],
    ["binary audio", "served"],
  ],
  "From glasses": [["binary audio", "served"]],
  REST: [
    ["/auth/exchange-token", "refused"],
    ["/api/auth/exchange-token", "refused"],
    ["/api/auth/generate-webview-token", "served"],
    ["/api/auth/generate-webview-signed-user-token", "refused"],
    ["/api/auth/hash-with-api-key", "served"],
    ["/api/auth/exchange-user-token", "served"],
    ["/api/client/min-version", "served"],
    ["/api/apps", "served"],
    ["/api/client/apps", "served"],
    ["/apps/:packageName/start", "served"],
    ["/apps/:packageName/stop", "served"],
    ["/apps/install/:packageName", "served"],
    ["/apps/uninstall/:packageName", "served"],
    ["/appsettings/:packageName", "served"],
    ["/appsettings/user/:packageName", "served"],
    ["/api/client/user/settings", "served"],
    ["/api/client/user/settings/key/:key", "served"],
    ["/api/client/device/state", "served"],
    ["/api/client/audio/configure", "served"],
    ["/api/client/location", "served"],
    ["/api/client/location/poll-response/:correlationId", "served"],
    ["/api/client/calendar", "served"],
    ["/api/client/notifications", "served"],
    ["/api/client/notifications/dismissed", "served"],
    ["/api/client/photo/response", "served"],
    ["/api/client/livekit/token", "refused"],
    ["/api/client/feedback", "served"],
    ["/api/user-data/set-datetime", "served"],
    ["/api/client/goodbye", "served"],
    ["/api/app-uptime/app-pkg-health-check", "served"],
    ["/app/error-report", "served"],
    ["/health", "served"],
    ["/api/photos/upload", "served"],
    ["/api/sdk/simple-storage/:userId", "served"],
    ["/api/sdk/simple-storage/:userId/:key", "served"],
    ["/api/public/permissions/:packageName", "served"],
    ["/api/app-communication/discover-users", "served"],
    ["/api/transcripts/:appSessionId", "served"],
    ["/api/tts", "served"],
  ],
};

const expected = [
  ...Object.entries(protocols).flatMap(([section, statuses]) =>
    Object.entries(statuses).flatMap(([status, names]) =>
      names
        .split(/\s+/)
        .filter((name) => name !== "")
        .map((name) => ({ section, name, status })),
    ),
  ),
  ...Object.entries(requests).flatMap(([section, names]) =>
    names.map(([name, status]) => ({ section, name, status })),
  ),
];

/** D-01 to D-64, and D-52b. */
const defects = Array.from({ length: 64 }, (_, i) => `D-${String(i + 1).padStart(2, "0")}`).flatMap(
  (number) => (number === "D-52" ? [number, "D-52b"] : [number]),
);

/** Message types that a module's outbound union can have. */
function sentTypes(module: string, union: string): string[] {
  const source = readFileSync(new URL(`src/wire/${module}.ts`, root), "utf8");
  const declaration = source.slice(source.indexOf(`export type ${union} =`)).split(/;\n\n/, 1)[0] ?? "";
  return [...declaration.matchAll(/readonly type: ((?:"\w+"(?: \| )?)+)/g)].flatMap(([, types = ""]) =>
    [...types.matchAll(/"(\w+)"/g)].map(([, type = ""]) => type),
  );
}

/** Titles of the tests of a file and of the groups that they are in. */
function titlesIn(file: string): string[] {
  const url = new URL(file, root);
  if (!existsSync(url)) return [];
  const source = readFileSync(url, "utf8");
  const plain = /\b(?:test|describe)(?:\.(?:concurrent|serial))?\(\s*(["`])((?:\\.|(?!\1).)+)\1/g;
  const tables = /\b(?:test|describe)(?:\.\w+)*\.each\b[\s\S]*?\)\(\s*(["`])((?:\\.|(?!\1).)+)\1/g;
  return [...source.matchAll(plain), ...source.matchAll(tables)].map(([, , title = ""]) => title);
}

async function sources(folder: string): Promise<string[]> {
  const files = await Array.fromAsync(new Bun.Glob(`${folder}/**/*.ts`).scan(root.pathname));
  return files.map((file) => readFileSync(new URL(file, root), "utf8"));
}

describe("the page on compatibility", () => {
  test.each(expected)("says of $name ($section) that it is $status", ({ section, name, status }) => {
    const found = rowsOf(section).filter((row) =>
      section === "REST"
        ? row.name
            .replace(/^[A-Z, ]+ /, "")
            .split(", ")
            .includes(name)
        : row.name === name,
    );
    expect(found.length).toBeGreaterThan(0);
    expect(found.map(({ cells: [stated] }) => stated)).toEqual(found.map(() => status));
  });

  test("lists every message type that is read or sent", () => {
    expect(listed("From apps")).toEqual(expect.arrayContaining([...parseAppMessage.types]));
    expect(listed("From glasses")).toEqual(expect.arrayContaining([...parseGlassesMessage.types]));
    const toApps = sentTypes("apps", "ToApp");
    const toGlasses = sentTypes("glasses", "ToGlasses");
    expect(toApps.length).toBeGreaterThan(15);
    expect(toGlasses.length).toBeGreaterThan(10);
    expect(listed("To apps")).toEqual(expect.arrayContaining(toApps));
    expect(listed("To glasses")).toEqual(expect.arrayContaining(toGlasses));
  });

  test("sends nothing that clients do not know", async () => {
    const unsent = (section: string) =>
      rowsOf(section).flatMap(({ name, cells: [status] }) => (status === "never sent" ? [name] : []));
    const sent = { "To apps": sentTypes("apps", "ToApp"), "To glasses": sentTypes("glasses", "ToGlasses") };
    for (const [section, types] of Object.entries(sent)) {
      expect(unsent(section).length).toBeGreaterThan(10);
      expect(unsent(section).filter((name) => types.includes(name))).toEqual([]);
    }
    const paths = unsent("To apps").flatMap((name) => /^[A-Z]+ (\/.*)$/.exec(name)?.[1] ?? []);
    expect(paths.length).toBeGreaterThan(2);
    const literals = (await sources("src/gateway")).flatMap((source) =>
      [...source.matchAll(/["`}](\/[\w-]+)["`]/g)].map(([, path = ""]) => path),
    );
    expect(literals).toContain("/webhook");
    expect(paths.filter((path) => literals.includes(path))).toEqual([]);
  });

  test("reads of what it does not offer no more than its type", () => {
    const read: readonly string[] = [...parseAppMessage.types, ...parseGlassesMessage.types];
    const unread = rows.flatMap(({ name, cells: [status] }) => (status === "not offered" ? [name] : []));
    expect(unread.length).toBeGreaterThan(5);
    expect(unread.filter((name) => read.includes(name))).toEqual([]);
  });

  test("lists every call that is served", async () => {
    const calls = listed("REST").join(" ");
    const api = (await sources("src/gateway/api")).flatMap((source) =>
      [...source.matchAll(/"(\/[\w:/-]*\w)"/g)].map(([, path = ""]) => path),
    );
    expect(api.length).toBeGreaterThan(20);
    const missing = api.filter((path) => !path.startsWith("/api/admin") && !calls.includes(path));
    expect(missing).toEqual([]);
  });

  test("has every defect once, in order, with a test of its number or the work that will bring one", () => {
    const listedDefects = rowsOf("Defects");
    expect(listedDefects.map(({ name }) => name)).toEqual(defects);
    const later = listedDefects.filter(({ file }) => file === "");
    for (const { shown } of later) expect(shown).toMatch(/^later work: (?:speech|continuity|bench)$/);
    for (const { name, title, file } of listedDefects) {
      if (file !== "") expect(title.split(": ", 1)[0]?.split(", ")).toContain(name);
    }
  });

  test("leaves no cell empty", () => {
    const empty = rows.filter(({ cells, shown }) => [...cells, shown].some((cell) => cell.trim() === ""));
    expect(empty.map(({ name }) => name)).toEqual([]);
  });

  test.each(rows.filter(({ shown }) => !shown.startsWith("later work")))(
    "$section: $name is shown by a test that exists",
    ({ file, title }) => {
      expect(titlesIn(file)).toContain(title);
    },
  );
});
