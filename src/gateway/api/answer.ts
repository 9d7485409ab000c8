import { Type } from "@sinclair/typebox";

/** What an endpoint says: a status and a JSON body. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export function answer(body: unknown, status = 200): Answer {
  return { status, body };
}

/** A refusal. `error` is for programs, `message` for people. */
export function refusal(status: number, error: string, message: string): Answer {
  return { status, body: { success: false, error, message } };
}

export function appNotFound(): Answer {
  return answer({ success: false, message: "App not found" }, 404);
}

/** Every refusal has this shape; which fields it has depends on who is to read it. */
export const refusalSchema = Type.Object({
  success: Type.Optional(Type.Literal(false)),
  error: Type.Optional(
    Type.Union([Type.String(), Type.Object({ stage: Type.String(), message: Type.String() })]),
  ),
  message: Type.Optional(Type.String()),
  timestamp: Type.Optional(Type.String()),
});

export const succeeded = Type.Object({ success: Type.Literal(true) });

export const succeededAt = Type.Object({ success: Type.Literal(true), timestamp: Type.String() });

export const succeededWithWord = Type.Object({ success: Type.Literal(true), message: Type.String() });

/** Anything that JSON can hold, by key. */
export const valuesSchema = Type.Record(Type.String(), Type.Unknown());
