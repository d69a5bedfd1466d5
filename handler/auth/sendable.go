package auth

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Sendable is an error when a header of a request cannot be sent, and names the
// setting that is the reason: net/http says so too late, and as if it were the network.
func (o *Owner) Sendable(req *http.Request) error {
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, value := range req.Header[name] {
			if what := control(value); what != "" {
				setting := o.settingWithin(value)
				if setting == "" {
					setting = "the header " + name
				}
				return o.Fail(engine.Auth, "wrong_credentials", "take it out; nothing was sent", fmt.Errorf("%s has %s, which cannot be in a header", setting, what), 0)
			}
		}
	}
	return nil
}

// control describes the first character of a text that no header can have.
func control(text string) string {
	for i, c := range []byte(text) {
		switch {
		case c == '\r' || c == '\n':
			return "a line end"
		case c < ' ' && c != '\t' || c == 0x7f:
			return fmt.Sprintf("the control character %#02x (byte %d)", c, i+1)
		}
	}
	return ""
}

// settingWithin names the setting whose control character is in a text.
func (o *Owner) settingWithin(text string) string {
	for i := range o.Connector.Settings {
		name := o.Connector.Settings[i].Name
		if v := o.Settings[name]; control(v) != "" && strings.Contains(text, v) {
			return "the setting " + name + " (" + o.Connector.EnvName(name) + ")"
		}
	}
	return ""
}

// setCookie adds a cookie with exactly this value. What has no place in one by
// RFC 6265 is sent all the same where it arrives as it was; net/http would drop it.
func setCookie(req *http.Request, name, value string) error {
	switch {
	case control(value) != "":
		return fmt.Errorf("the value of the cookie %s has %s", name, control(value))
	case strings.Contains(value, ";"):
		return fmt.Errorf("the value of the cookie %s has a semicolon, a character that ends it", name)
	case strings.Trim(value, " \t") != value:
		return fmt.Errorf("the value of the cookie %s begins or ends with a blank, a character that is no part of it", name)
	}
	if before := req.Header.Get("Cookie"); before != "" {
		name = before + "; " + name
	}
	req.Header.Set("Cookie", name+"="+value)
	return nil
}

// cookieIn is the value of a cookie that an answer sets, exactly as it is there; ""
// when there is none.
func cookieIn(h http.Header, name string) (value string) {
	for _, line := range h.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		if key, text, _ := strings.Cut(pair, "="); strings.TrimSpace(key) == name {
			value = strings.TrimSpace(text) // the last one counts
		}
	}
	return value
}
