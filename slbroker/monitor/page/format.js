// Numbers as people read them; a dash where nobody has told one.

export const NONE = "–";

export function count(value) {
  return value === null || value === undefined ? NONE : Math.round(value).toLocaleString("en");
}

export function rate(value) {
  if (value === null || value === undefined) return NONE;
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

export function seconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value < 0) return "> 10 s";
  if (value === 0) return "0";
  return value < 1 ? `${Number((value * 1e3).toPrecision(2))} ms` : `${Number(value.toPrecision(2))} s`;
}

export function age(value) {
  if (value === null || value === undefined) return NONE;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
}

export function bytes(value) {
  return value ? `${Math.round(value / 1e6)} MB` : NONE;
}

export function share(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : NONE;
}

export function clock(at) {
  const date = new Date(at * 1e3);
  return date.toLocaleTimeString("en-GB");
}

export function when(at) {
  const date = new Date(at * 1e3);
  return date.toDateString() === new Date().toDateString() ? clock(at) : `${date.toLocaleDateString("en-GB")} ${clock(at)}`;
}

/** The end of an address says which one it is. */
export function short(text, longest) {
  return text.length > longest ? `…${text.slice(1 - longest)}` : text;
}
