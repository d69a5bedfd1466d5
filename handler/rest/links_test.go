package rest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/netguard"
)

// TestLinksInAllForms: what RFC 8288 allows, and what gateways make of it.
func TestLinksInAllForms(t *testing.T) {
	for header, want := range map[string]string{
		`<https://h/a?p=2>; rel="next"`:     "https://h/a?p=2",
		`<a>; rel=next`:                     "a",
		`<a>; rel='next'`:                   "a",
		`<a>;REL="NEXT";x=1`:                "a",
		`<a> ; rel = "prev next"`:           "a",
		`<a>; rel="nextish", <b>; rel=self`: "",
		`<a?x=1,2; rel=next>; rel="first", <b c>; title="; rel=next, <z>"; rel=next`: "b c",
		`<a>; title="\"; rel=self"; rel=next`:                                        "a",
		`<a>; rel=self; rel=next`:                                                    "",
		`<a>; rel="next", <a>; rel="next"`:                                           "a",
		`<a>; rel="next", <b>; rel="next"`:                                           "error",
		`https://h/a?p=2; rel="next"`:                                                "error",
		`<https://h/a?p=2; rel="next"`:                                               "error",
		`nonsense`:                                                                   "",
		``:                                                                           "",
	} {
		got, err := linkTo("next", []string{`<first>; rel="first"`, header})
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", header, got, err, want)
		}
	}
}

// TestOneOriginInAllItsForms: ports that go without saying, upper case, dots at the
// end, ways to write an address of IPv6.
func TestOneOriginInAllItsForms(t *testing.T) {
	for _, x := range []struct {
		base, same, other string
	}{
		{"https://api.acme.example", "https://api.acme.example:443/ HTTPS://API.acme.example/x https://api.acme.example./ //api.acme.example/x ?p=2",
			"http://api.acme.example/ https://api.acme.example:8443/ https://acme.example/ //evil.example/ https://api.acme.example@evil.example/ https://api.acme.example.evil.example/ https:x"},
		{"http://127.0.0.1:80", "http://127.0.0.1/", "http://127.0.0.1:8080/"},
		{"http://[::1]", "http://[0:0:0:0:0:0:0:1]:80/ http://[0::01]/", "http://[::2]/ http://localhost/"},
	} {
		base, err := netguard.ParseBase(x.base)
		if err != nil {
			t.Fatal(err)
		}
		r := &Connection{base: base}
		for _, text := range strings.Fields(x.same + " " + x.other) {
			u, err := base.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.sameOrigin(u), strings.Contains(x.same, text); got != want {
				t.Errorf("%s and %s: %v", x.base, text, got)
			}
		}
	}
}

// TestAStoredLinkStaysAtItsOrigin, whatever the checkpoint has.
func TestAStoredLinkStaysAtItsOrigin(t *testing.T) {
	base, _ := url.Parse("https://api.acme.example")
	r := &Connection{base: base}
	for token, want := range map[string]string{
		"/a?b=c": "https://api.acme.example/a?b=c", "//evil.example/a": "https://api.acme.example//evil.example/a",
		"evil.example/a": "", ".evil.example/": "", "@evil.example/": "", ":443/": "", "": "", "/\x00": "",
	} {
		got := ""
		if u, err := r.followed(token); err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}

func TestLinksAreEscapedOnce(t *testing.T) {
	for link, want := range map[string]string{
		" https://h/a b?f=x gt 'y'&p=%20 ": "https://h/a%20b?f=x%20gt%20'y'&p=%20",
		"/a?q=\"x\"|<y>&[z]=ü":             "/a?q=%22x%22%7C%3Cy%3E&[z]=%C3%BC",
		"/100%?at=5%,%2":                   "/100%25?at=5%25,%252",
		"https://[::1]:8080/\\evil":        "https://[::1]:8080/%5Cevil",
	} {
		if got := escapeLink(link); got != want {
			t.Errorf("%q: %q, want %q", link, got, want)
		}
	}
}
