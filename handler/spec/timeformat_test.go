package spec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/spec"
)

func TestTimeFormats(t *testing.T) {
	at := time.Date(2026, 3, 7, 5, 8, 9, 12_345_678, time.FixedZone("", 3600))
	for format, want := range map[string]string{
		"": "2026-03-07T04:08:09.012Z", "rfc3339": "2026-03-07T04:08:09Z", "rfc3339_us": "2026-03-07T04:08:09.012345Z", "rfc3339_ns": "2026-03-07T04:08:09.012345678Z",
		"rfc3339_offset": "2026-03-07T04:08:09+00:00", "date": "2026-03-07",
		"unix": "1772856489", "unix_ms": "1772856489012", "unix_us": "1772856489012345", "unix_ns": "1772856489012345678",
		// Those of published packages (facts/ccf.md, section 5).
		"yyyy-MM-ddTHH:mm:ssZ": "2026-03-07T04:08:09Z", "yyyy-MM-ddTHH:mm:ss.fffZ": "2026-03-07T04:08:09.012Z", "yyyy-MM-ddTHH:mm:ss.000Z": "2026-03-07T04:08:09.000Z",
		"yyyy-MM-ddTHH:mm:ss.000000+00:00": "2026-03-07T04:08:09.000000+00:00", "yyyy-MM-dd HH:mm:ss": "2026-03-07 04:08:09", "yyyy-MM-dd": "2026-03-07", "yyyy-MM-ddTHH": "2026-03-07T04",
		"d/M/yy h:m:s tt": "7/3/26 4:8:9 AM", "yyyyMMdd'at'HHmm": "20260307at0408", "ddd, dd MMM yyyy HH:mm:ss 'GMT'": "Sat, 07 Mar 2026 04:08:09 GMT", "HH:mm:sszzz": "04:08:09+00:00", "d.M.yyyy H:mm": "7.3.2026 4:08", "MM/dd/yyyy hh:mm:ss tt": "03/07/2026 04:08:09 AM", "HH:mm": "04:08", "mm": "08", "MM": "03", "ddMMM": "07Mar",
	} {
		f, err := spec.TimeFormat(format)
		if err != nil || f(at) != want {
			got := ""
			if err == nil {
				got = f(at)
			}
			t.Errorf("%q writes %q (%v), want %q", format, got, err, want)
		}
	}
	for format, want := range map[string]string{
		"iso": "there is no time format iso", "yyy": "yyy is no part of one", "yyyy'T": "not closed", "-": "there is no time format -", "unix_sm": "(did you mean unix_ms?)",
		// Hours by the clock of twelve.
		"yyyy-MM-dd hh:mm:ss": "has hours by the clock of twelve (hh) without am or pm (tt): write yyyy-MM-dd HH:mm:ss",
		"d.M.yyyy h:mm":       "(h) without am or pm (tt): write d.M.yyyy H:mm", "'at' hh:mm": "write 'at' HH:mm",
		// Minutes for the month, the month for minutes.
		"yyyy-mm-dd": "has minutes (mm) where the month (MM) belongs: write yyyy-MM-dd", "mm/dd/yyyy HH:mm": "write MM/dd/yyyy HH:mm", "d.m.yyyy": "write d.M.yyyy", "yyyymmdd": "write yyyyMMdd",
		"yyyy-MM-ddTHH:MM:ssZ": "has the month (MM) where minutes (mm) belong: write yyyy-MM-ddTHH:mm:ssZ", "HH:MM": "write HH:mm", "MM:ss": "write mm:ss",
		"yyyy-mm-dd hh:MM": "write yyyy-MM-dd HH:mm",
		// As others write patterns.
		"YYYY-MM-DD": "YYYY is no part of one: yyyy is the year", "yyyy-MM-DD": "DD is no part of one: dd is the day", "%Y-%m-%d": "Y is no part of one", "yyyy-MM-dd HH:mm:ss.SSS": "fff are milliseconds", "hh:mm a": "tt is AM or PM",
		"2006-01-02": "there is no time format 2006-01-02",
	} {
		if _, err := spec.TimeFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", format, err, want)
		}
	}
}

// TestFormatsSayAsMuchAsGranularity: what a format cannot tell apart, granularity may
// not promise.
func TestFormatsSayAsMuchAsGranularity(t *testing.T) {
	for _, x := range []struct {
		request, granularity string
		ok                   bool
	}{
		{`query: {a: "{window.from}", b: "{window.to}"}`, "1ms", true},
		{`query: {a: "{window.from:rfc3339}"}`, "1ms", false},
		{`query: {a: "{window.from:rfc3339_offset}"}`, "1s", true},
		{`query: {a: "{window.from}", b: "{window.to:rfc3339}"}`, "1ms", false},
		{`query: {a: "{window.from:unix}"}`, "1ms", false},
		{`query: {a: "{window.from:unix_ms}"}`, "1ms", true},
		{`query: {a: "{window.from:date}"}`, "1d", true},
		{`query: {a: "{window.from:date}"}`, "12h", false},
		{`query: {a: "{window.from:yyyyMMddHH}"}`, "1h", true},
		{`query: {a: "{window.from:yyyyMMddHH}"}`, "1m", false},
		{`query: {a: "{window.from:yyyy-MM-dd HH:mm}"}`, "1m", true},
		{`query: {a: "{window.from:MM/dd/yyyy hh:mm:ss tt}"}`, "1s", true},
		{`query: {a: "{window.from:yyyy-MM-ddTHH:mm:ss.000Z}"}`, "1s", true},
		{`query: {a: "{window.from:yyyy-MM-ddTHH:mm:ss.000Z}"}`, "1ms", false},
		{`query: {a: "{window.from:yyyy-MM-ddTHH:mm:ss.fffZ}"}`, "1ms", true},
		{`query: {a: "{window.from:yyyy-MM}"}`, "1d", false},
		{`query: {a: "{window.from:MM-dd HH:mm:ss}"}`, "1s", false},
		{`query: {a: "{window.from:ddd HH:mm:ss}"}`, "1s", false},
		{`query: {a: "{window.from:yyyyMd}"}`, "1d", false}, // 2026111 is 11 January, and 1 November
		{`query: {a: "{window.from:yyyyMMddHms}"}`, "1s", false},
		{`query: {a: "{window.from:yyyy-MM-dd}", b: "{window.from:HH:mm:ss}"}`, "1s", true},
		{`query: {a: "{window.from:yyyy-MM-dd}T{window.from:HH:mm:ss}Z"}`, "1s", true},
		{`query: {a: "{window.from:unix}"}, headers: {X-Day: "{window.from:dd}"}`, "1s", true},
		{`method: POST, body: {filter: [{from: "{window.from:date}"}]}`, "1s", false},
		{`headers: {X-Since: "{window.from:date}"}`, "1s", false},
	} {
		text := strings.NewReplacer("REQUEST", x.request, "GRANULARITY", x.granularity).Replace(`
name: acme
title: Acme
publisher: Acme
support: {tier: community}
description: A test.
base_url: https://api.acme.example
auth: {type: none}
streams:
  - name: events
    request: {path: /v1/events, REQUEST}
    records: $
    position: {type: window, time: published, order: none, granularity: GRANULARITY, bounds: "[)", lag: 0s, overlap: 0s, retention: 90d}
    table: Acme_CL
tables:
  - name: Acme_CL
    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(published)}]
`)
		if _, err := spec.Parse("f", []byte(text)); (err == nil) != x.ok {
			t.Errorf("%s with granularity %s: %v", x.request, x.granularity, err)
		}
	}
}
