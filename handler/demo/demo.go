// Package demo is a provider on this machine that needs no account: it serves
// the Okta System Log API with invented events, one every few seconds. The
// events follow from the time alone, so that they are the same after a restart.
package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Interval is the time between two events.
const Interval = 7 * time.Second

// Handler serves GET …/api/v1/logs.
func Handler(now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit, err := strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 || limit > 1000 {
			limit = 100
		}
		since, err1 := time.Parse(time.RFC3339, q.Get("since"))
		until, err2 := time.Parse(time.RFC3339, q.Get("until"))
		if err1 != nil || err2 != nil {
			http.Error(w, `{"errorCode":"E0000031","errorSummary":"since and until have to be ISO 8601 times."}`, http.StatusBadRequest)
			return
		}
		if t := now(); until.After(t) {
			until = t
		}
		first := Number(since)
		if n, err := strconv.ParseInt(q.Get("after"), 10, 64); err == nil {
			first = n
		}
		end := Number(until)
		last := min(first+int64(limit), end)
		events := make([]event, 0, max(0, last-first))
		for i := first; i < last; i++ {
			events = append(events, newEvent(i))
		}
		if last < end {
			next := url.Values{"since": {q.Get("since")}, "until": {q.Get("until")}, "limit": {strconv.Itoa(limit)}, "after": {strconv.FormatInt(last, 10)}}
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, next.Encode()))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(events)
	})
}

// Number is the number of the first event at or after t.
func Number(t time.Time) int64 {
	ms, step := t.UnixMilli(), Interval.Milliseconds()
	return (ms + step - 1) / step
}

type object map[string]any

// event has the members of Okta's LogEvent that its connector reads.
type event struct {
	UUID           string    `json:"uuid"`
	Published      time.Time `json:"published"`
	EventType      string    `json:"eventType"`
	Version        string    `json:"version"`
	Severity       string    `json:"severity"`
	DisplayMessage string    `json:"displayMessage"`
	Actor          object    `json:"actor"`
	Client         object    `json:"client"`
	Outcome        object    `json:"outcome"`
	Target         []object  `json:"target"`
	Transaction    object    `json:"transaction"`
	Security       object    `json:"securityContext"`
	Debug          object    `json:"debugContext"`
}

var kinds = []struct{ typ, msg, result, reason, severity string }{
	{"user.session.start", "User login to Okta", "SUCCESS", "", "INFO"},
	{"user.session.start", "User login to Okta", "SUCCESS", "", "INFO"},
	{"user.session.start", "User login to Okta", "FAILURE", "INVALID_CREDENTIALS", "WARN"},
	{"user.authentication.sso", "User single sign on to app", "SUCCESS", "", "INFO"},
	{"user.authentication.auth_via_mfa", "Authentication of user via MFA", "SUCCESS", "", "INFO"},
	{"policy.evaluate_sign_on", "Evaluation of sign-on policy", "ALLOW", "Sign-on policy evaluation resulted in ALLOW", "INFO"},
	{"policy.evaluate_sign_on", "Evaluation of sign-on policy", "DENY", "Sign-on policy evaluation resulted in DENY", "WARN"},
	{"group.user_membership.add", "Add user to group membership", "SUCCESS", "", "INFO"},
	{"user.account.lock", "Max sign in attempts exceeded", "FAILURE", "LOCKED_OUT", "ERROR"},
}

var people = []string{"Ada Moreau", "Ben Okafor", "Carla Rossi", "Dmitri Sokolov", "Elif Aydin", "Femke de Wit", "Goran Petrov", "Hana Kim"}

var cities = []struct {
	city, country string
	lat, lon      float64
}{{"Amsterdam", "Netherlands", 52.37, 4.89}, {"Lisbon", "Portugal", 38.72, -9.14}, {"Toronto", "Canada", 43.65, -79.38}, {"Osaka", "Japan", 34.69, 135.5}}

func newEvent(i int64) event {
	r := rand.New(rand.NewPCG(0x51ce, uint64(i)))
	k := kinds[r.IntN(len(kinds))]
	n := r.IntN(len(people))
	c := cities[n%len(cities)]
	user := fmt.Sprintf("user%d@demo.example", n+1)
	return event{
		UUID:      fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xfff, r.Uint32()&0xfff, uint64(i)),
		Published: time.UnixMilli(i * Interval.Milliseconds()).UTC(),
		EventType: k.typ, Version: "0", Severity: k.severity, DisplayMessage: k.msg,
		Actor: object{"id": fmt.Sprintf("00u%017d", n), "type": "User", "alternateId": user, "displayName": people[n], "detailEntry": nil},
		Client: object{"ipAddress": fmt.Sprintf("198.51.100.%d", 10+n), "device": "Computer", "zone": "null",
			"userAgent":           object{"rawUserAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "os": "Linux", "browser": "FIREFOX"},
			"geographicalContext": object{"city": c.city, "country": c.country, "geolocation": object{"lat": c.lat, "lon": c.lon}}},
		Outcome:     object{"result": k.result, "reason": k.reason},
		Target:      []object{{"id": "0oademo", "type": "AppInstance", "displayName": "Demo application"}},
		Transaction: object{"type": "WEB", "id": fmt.Sprintf("tx%x", r.Uint64()), "detail": object{}},
		Security:    object{"asNumber": 64500 + n, "asOrg": "example network", "isProxy": false},
		Debug:       object{"debugData": object{"requestUri": "/api/v1/authn"}},
	}
}
