package netguard

import (
	"net/http"
	"testing"
)

func TestParseBase(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://a.example": true, "https://a.example/x/": true, "http://127.0.0.1:80": true, "http://localhost": true, "http://[::1]:8": true, "https://a-b.c_d.example.:8443": true,
		"http://a.example": false, "ftp://a.example": false, "https://u:p@a.example": false, "a.example": false, "https://a.example?x=1": false, "http://127.0.0.1.evil.example": false,
		"https://….ingest.monitor.azure.com": false, "https://*.example": false, "https://": false, "": false, "https://a.example#x": false,
	} {
		if _, err := ParseBase(base); (err == nil) != ok {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	for at, ok := range map[string]bool{
		"https://a.example/token?type=api": true, "https://a.example/token/": true, "http://127.0.0.1:80/t?x": true,
		"http://a.example/t?x": false, "https://u:p@a.example/t": false, "https://a.example/t?x#y": false, "https://*.example/t": false, "/token?type=api": false,
	} {
		if u, err := ParseEndpoint(at); (err == nil) != ok || ok && u.String() != at {
			t.Errorf("%s: %v, %v", at, u, err)
		}
	}
}

func TestDate(t *testing.T) {
	const early, late = "Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 12:10:00 GMT"
	for _, x := range []struct {
		dates []string
		age   string
		want  string
	}{{nil, "", ""}, {[]string{early}, "", early}, {[]string{late, early}, "", early}, {[]string{"soon", late}, "", late}, {[]string{early}, "7", ""}} {
		h := http.Header{"Date": x.dates}
		if x.age != "" {
			h.Set("Age", x.age)
		}
		got := ""
		if at, ok := Date(h); ok {
			got = at.Format(http.TimeFormat)
		}
		if got != x.want {
			t.Errorf("%+v: %s", x, got)
		}
	}
}
