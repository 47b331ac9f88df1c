package sim

// The hostile answers, each a fault that shows from the act on and a quirk
// that is always there.
const (
	httpEndless   = "http-endless"
	httpSlow      = "http-slow"
	httpTruncated = "http-truncated"
	httpGzip      = "http-gzip"
	httpWrongType = "http-wrong-type"
	httpHuge      = "http-huge"
	httpNotUTF8   = "http-not-utf8"
	httpElsewhere = "http-elsewhere"
	httpLoginPage = "http-login-page"
	xmlBomb       = "xml-bomb"
	jsonDeep      = "json-deep"
)

// hostileAnswers are what a unit may do to a client instead of answering it.
var hostileAnswers = []struct{ name, about string }{
	{httpHangs, "It accepts connections and never answers."},
	{httpGarbage, "It answers requests with nonsense."},
	{httpEndless, "It answers 200 with a body that never ends."},
	{httpSlow, "It answers 200 in chunks of one byte, two a second, without an end."},
	{httpTruncated, "It answers, and closes the connection in the middle of the body."},
	{httpGzip, "It answers with bytes that are labelled as gzip and are not."},
	{httpWrongType, "It answers with the label image/jpeg."},
	{httpHuge, "It answers 200 with a body of 100 MB."},
	{httpNotUTF8, "It answers with letters of another encoding, that are no UTF-8."},
	{httpElsewhere, "It redirects every request to another host."},
	{httpLoginPage, "It answers every request with 200 and a page that asks for a login."},
	{xmlBomb, "It answers 200 with XML whose entities expand to gigabytes."},
	{jsonDeep, "It answers 200 with JSON that is nested 100,000 deep."},
}

func hostileQuirks() []QuirkInfo {
	var list []QuirkInfo
	for _, h := range hostileAnswers {
		list = append(list, QuirkInfo{Name: h.name, About: h.about + " Also a fault."})
	}
	return list
}
