import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { numbered } from "../support/numbered.ts";
import { opcodes } from "../support/raw-websocket.ts";
import { appInit, TestGateway } from "../support/test-gateway.ts";
import { until } from "../support/until.ts";

let gateway: TestGateway;
beforeEach(async () => {
  gateway = new TestGateway();
  await gateway.glasses();
});
afterEach(() => gateway.close());

function session() {
  const found = gateway.sessions.getSession("user@example.com");
  if (found === undefined) throw new Error("no session");
  return found;
}

/** An app on a bare socket that has been accepted and then stops to read. */
async function stalledApp() {
  const app = await gateway.raw("/app-ws");
  app.send(opcodes.text, JSON.stringify(appInit()));
  await until("the ack", () => app.texts.length === 1);
  app.pause();
  const port = session().apps.ports.at(-1);
  if (port === undefined) throw new Error("no port");
  return { app, port };
}

function event(number: number, isFinal: boolean) {
  const text = "word ".repeat(13_000);
  const data = { number, isFinal, text };
  return numbered({ type: "data_stream", sessionId: "s", streamType: "transcription:en-US", data });
}

/** What Linux may hold for one loopback connection, on both sides together, besides the server's own queue. */
const kernelBytes = 24 * 1024 * 1024;

describe("an app that stops to read", () => {
  test("gets the newest interim when it reads again, and the final after it; memory stays bounded", async () => {
    const { app, port } = await stalledApp();
    const interims = 1_000;
    for (let number = 0; number < interims; number++) {
      expect(port.send(event(number, false), "interim", "speech")).toBe("sent");
    }
    const dropped = await gateway.count(gateway.metrics.messagesDropped, { side: "app", class: "interim" });
    expect((interims - dropped) * 65_000).toBeLessThan(kernelBytes);
    app.resume();
    const last = await until("the newest interim", () =>
      app.texts.slice(1).find((text) => JSON.parse(text).data.number === interims - 1),
    );
    expect(JSON.parse(last).data.isFinal).toBe(false);
    port.send(event(interims, true), "event", "speech");
    await until("the final", () => app.texts.some((text) => text.includes('"isFinal":true')));
    const numbers = app.texts.slice(1).map((text): number => JSON.parse(text).data.number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(session().apps.closedGenerations).toEqual([]);
  });

  test("gets no interim behind the final that has ended it", async () => {
    const { app, port } = await stalledApp();
    const interims = 1_000;
    for (let number = 0; number < interims; number++) port.send(event(number, false), "interim", "speech");
    expect(port.send(event(interims, true), "event", "speech")).toBe("sent");
    app.resume();
    const arrives = (number: number) =>
      until(`number ${number}`, () => app.texts.some((text) => text.includes(`"number":${number},`)));
    await arrives(interims);
    port.send(event(interims + 1, true), "event", "speech");
    await arrives(interims + 1);
    const numbers = app.texts.slice(1).map((text): number => JSON.parse(text).data.number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers).not.toContain(interims - 1);
  });

  test("gets the newest of every state when it reads again, though it hears all of them under one name", async () => {
    const { app, port } = await stalledApp();
    const slots = ["battery", "head"];
    // Until both have to wait, however much the kernel takes.
    const rounds = 500;
    for (let number = 0; number < rounds; number++) {
      for (const slot of slots) port.send(event(number * 2 + slots.indexOf(slot), false), "interim", slot);
    }
    app.resume();
    const seen = () => app.texts.slice(1).map((text): number => JSON.parse(text).data.number);
    await until("the newest of both", () => {
      const numbers = seen();
      return [rounds * 2 - 2, rounds * 2 - 1].every((newest) => numbers.includes(newest));
    });
    expect(seen().length).toBeLessThan(rounds * 2);
  });

  test("is closed with 1013 once what must arrive finds no room, and its neighbour notices nothing", async () => {
    const neighbour = await gateway.app();
    const { app, port } = await stalledApp();
    let sent = 0;
    while (port.send(event(sent, true), "event", "speech") === "sent") sent++;
    expect(sent * 65_000).toBeLessThan(kernelBytes);
    await until("the close", () => session().apps.closedGenerations.length === 1);
    expect(session().apps.closedGenerations).toEqual([2]);
    expect(await gateway.count(gateway.metrics.socketsClosed, { side: "app", cause: "too_slow" })).toBe(1);
    neighbour.send({ type: "ownership_release" });
    await until("the neighbour's message", () => session().apps.messages.length === 1);
    app.resume();
    await until("the end", () => app.ended);
    expect(app.closeCode).toBe(1013);
    expect(app.texts).toHaveLength(1 + sent);
  });

  test("is closed with 1013 when nothing has left for 10 s", async () => {
    const { port } = await stalledApp();
    for (let number = 0; number < 400; number++) port.send(event(number, false), "interim", "speech");
    gateway.clock.advance(10_000);
    await until("the close", () => session().apps.closedGenerations.length === 1);
    expect(await gateway.count(gateway.metrics.socketsClosed, { side: "app", cause: "too_slow" })).toBe(1);
  });
});

describe("glasses that stop to read", () => {
  test("get the newest display of each view when they read again", async () => {
    const glasses = await gateway.rawGlasses("slow@example.com");
    await until("the ack", () => glasses.texts.length === 1);
    glasses.pause();
    const port = gateway.sessions.getSession("slow@example.com")?.ports[0];
    const text = "line ".repeat(13_000);
    const displays = 1_000;
    for (let number = 0; number < displays; number++) {
      for (const view of ["main", "dashboard"] as const) {
        const layout = { layoutType: "text_wall", text: `${number} ${text}` } as const;
        expect(port?.send({ type: "display_event", packageName: "a", view, layout })).toBe("sent");
      }
    }
    expect(port?.send({ type: "app_stopped", packageName: "a" })).toBe("sent");
    glasses.resume();
    for (const view of ["main", "dashboard"]) {
      await until(`the newest ${view}`, () =>
        glasses.texts.some(
          (frame) => frame.includes(`"text":"${displays - 1} `) && frame.includes(`"${view}"`),
        ),
      );
    }
    const labels = { side: "glasses", class: "display" };
    expect(await gateway.count(gateway.metrics.messagesDropped, labels)).toBeGreaterThan(displays);
  });
});
