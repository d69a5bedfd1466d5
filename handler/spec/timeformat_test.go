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
		"d/M/yy h:m:s tt": "7/3/26 4:8:9 AM", "yyyyMMdd'at'HHmm": "20260307at0408", "ddd, dd MMM yyyy HH:mm:ss 'GMT'": "Sat, 07 Mar 2026 04:08:09 GMT", "HH:mm:sszzz": "04:08:09+00:00",
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
	for format, want := range map[string]string{"iso": "there is no time format iso", "yyy": "yyy is no part of one", "yyyy'T": "not closed", "-": "there is no time format -"} {
		if _, err := spec.TimeFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", format, err)
		}
	}
}
