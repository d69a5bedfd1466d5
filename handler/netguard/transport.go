package netguard

import (
	"net/http"
	"time"
)

// Transport is a transport of the usual kind that notices when the other end of a
// connection is gone: a call that is out ends, and no other is made on it.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second}
	t.MaxIdleConnsPerHost = 10
	return t
}

// NotSentOn is for http.Client.CheckRedirect: a redirect is an answer like any other.
func NotSentOn(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Date is when an answer was made. Of several dates, such as one that a proxy has
// added, the earliest counts; that of a cached answer says nothing.
func Date(h http.Header) (at time.Time, ok bool) {
	if h.Get("Age") != "" {
		return at, false
	}
	for _, v := range h.Values("Date") {
		if t, err := http.ParseTime(v); err == nil && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}
