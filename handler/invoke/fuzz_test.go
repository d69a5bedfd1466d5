package invoke

import (
	"bytes"
	"net/http/httptest"
	"testing"
)

// FuzzInvocation: whatever the host posts, it is read or refused.
func FuzzInvocation(f *testing.F) {
	for _, s := range []string{
		`{"Data":{"timer":{"Schedule":{},"ScheduleStatus":{"Last":"2026-11-22T12:00:00+00:00","Next":"0001-01-01T00:00:00"},"IsPastDue":true}},"Metadata":{"sys":{"MethodName":"okta"}}}`,
		`{"Data":{"timer":null}}`, `{"Data":{"timer":"\"text\""}}`, `{"Data":[]}`, ``, `null`, `{"Data":{"timer":{"ScheduleStatus":{"Last":7}}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := read(httptest.NewRequestWithContext(t.Context(), "POST", "/okta", bytes.NewReader(body)))
		if err != nil {
			return
		}
		if timer, err := in.Timer("timer"); err == nil && !timer.Last.IsZero() && timer.Last.Year() <= 1 {
			t.Errorf("%q: the year %d is no time", body, timer.Last.Year())
		}
		_, _ = in.Text("timer")
	})
}
