import type { Values } from "../store/store.ts";
import type { AppSetting, AppSettingGroup } from "../wire/apps.ts";

type Declared = AppSetting | AppSettingGroup;

/** The settings of an app for one user: each as the app declares it, with the user's value, or else its default. */
export function settingsWithValues(declared: readonly Declared[] | undefined, values: Values): AppSetting[] {
  return (declared ?? []).flatMap((setting) =>
    isSetting(setting) ? [{ ...setting, value: userValue(setting, values) }] : [],
  );
}

/** The same for a phone's settings page: headings keep their places, and the value is called `selected` as well. */
export function settingsPage(declared: readonly Declared[] | undefined, values: Values): Declared[] {
  return (declared ?? []).map((setting) => {
    if (!isSetting(setting)) return setting;
    const value = userValue(setting, values);
    return { ...setting, value, selected: value };
  });
}

/** Whether an app's setting takes a value: the app declares the setting, and the value is of its kind. */
export function settingProblem(
  declared: readonly Declared[] | undefined,
  key: string,
  value: unknown,
): string | undefined {
  const setting = declared?.filter(isSetting).find((candidate) => candidate.key === key);
  if (setting === undefined) return `The app has no setting ${key}`;
  return fits(setting, value) ? undefined : `This is no value for the setting ${key}`;
}

function isSetting(setting: Declared): setting is AppSetting {
  return "key" in setting;
}

function userValue(setting: AppSetting, values: Values): unknown {
  if (Object.hasOwn(values, setting.key)) return values[setting.key];
  return setting.value ?? setting.defaultValue;
}

/** Kinds that are not known here take anything: the app knows better. */
function fits({ type, options, min, max }: AppSetting, value: unknown): boolean {
  const isOption = (candidate: unknown) => options?.some((option) => option.value === candidate) ?? true;
  switch (type) {
    case "toggle":
      return typeof value === "boolean";
    case "text":
    case "text_no_save_button":
      return typeof value === "string";
    case "select":
    case "select_with_search":
      return isOption(value);
    case "multiselect":
      return Array.isArray(value) && value.every(isOption);
    case "slider":
    case "numeric_input":
      return (
        typeof value === "number" &&
        value >= (min ?? Number.NEGATIVE_INFINITY) &&
        value <= (max ?? Number.POSITIVE_INFINITY)
      );
    default:
      return true;
  }
}
