package nvr

// Redacted is what a transcript shows of a text.
func Redacted(s string) string { return redactText(s) }
