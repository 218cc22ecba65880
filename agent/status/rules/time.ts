// Times as the API writes them: RFC 3339 in UTC, whole seconds.

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
