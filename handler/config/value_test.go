package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
)

// TestSecretsAreTrimmedAndLookedAt: in the environment and in a file alike.
func TestSecretsAreTrimmedAndLookedAt(t *testing.T) {
	const pem = "-----BEGIN PRIVATE KEY-----\nMIGH\nAgEA\n-----END PRIVATE KEY-----"
	for name, c := range map[string]struct{ value, got, want string }{
		"plain":         {"s3cret", "s3cret", ""},
		"line end":      {"s3cret\n", "s3cret", ""},
		"CR":            {"s3cret\r\n", "s3cret", ""},
		"blanks around": {" s3cret\t", "s3cret", ""},
		"blank inside":  {"s3 cret", "s3 cret", ""},
		"letters":       {"пароль-é", "пароль-é", ""},
		"PEM":           {pem + "\n", pem, ""},
		"PEM, Windows":  {strings.ReplaceAll(pem, "\n", "\r\n"), strings.ReplaceAll(pem, "\n", "\r\n"), ""},
		"PEM in a line": {strings.ReplaceAll(pem, "\n", `\n`), pem, ""},
		"empty":         {"", "", " is empty"},
		"only a line":   {" \r\n", "", " is empty"},
		"two lines":     {"s3cret\nother", "", "a line end (U+000A) at character 7, inside of the value"},
		"NUL":           {"s3cret\x00", "", "a control character (U+0000) at character 7"},
		"tab inside":    {"s3\tcret", "", "a control character (U+0009) at character 3"},
		"escape":        {"\x1b[0ms3cret", "", "a control character (U+001B) at character 1"},
		"C1":            {"s3cret\u0085x", "", "a control character (U+0085) at character 7"},
		"BOM":           {"\ufeffs3cret", "", "an invisible character (U+FEFF) at character 1"},
		"zero width":    {"s3\u200bcret", "", "an invisible character (U+200B) at character 3"},
		"NBSP":          {"s3cret\u00a0", "", "an invisible character (U+00A0) at character 7"},
		"soft hyphen":   {"s3\u00adcret", "", "an invisible character (U+00AD) at character 3"},
		"no UTF-8":      {"s3cr\xe9t", "", "a byte at character 5 that is no UTF-8"},
		"replaced":      {"s3cr\ufffdt", "", "U+FFFD at character 5"},
		"PEM and NUL":   {pem + "\x00", "", "a control character (U+0000)"},
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(c.value), 0o600); err != nil {
			t.Fatal(err)
		}
		for from, named := range map[string]string{"${env:TOKEN}": "TOKEN", "${file:" + path + "}": path} {
			got, err := parse(strings.Replace(good, "${env:TOKEN}", from, 1), env("TOKEN", c.value))
			if c.want == "" {
				if err != nil || got.Connections[0].Settings["api_token"] != c.got {
					t.Errorf("%s from %s: %v", name, from, err)
				}
				continue
			}
			for _, want := range []string{"sluice.yaml:8:53: ", named, c.want} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s from %s:\n got %v\nwant %s", name, from, err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "s3") {
				t.Errorf("%s: the error shows the secret: %v", name, err)
			}
		}
	}
}

// TestSettingsAreLookedAtToo: what is no secret, and what stands in the file itself.
func TestSettingsAreLookedAtToo(t *testing.T) {
	_, err := parse(strings.Replace(good, "domain: contoso.okta.com", `domain: "contoso\u200b.okta.com"`, 1), env("TOKEN", "x"))
	if err == nil || !strings.Contains(err.Error(), "sluice.yaml:8:24: domain: the value has an invisible character (U+200B) at character 8") {
		t.Error(err)
	}
	c, err := parse(strings.Replace(good, "domain: contoso.okta.com", `domain: "contoso.okta.com\n"`, 1), env("TOKEN", "x"))
	if err != nil || c.Connections[0].Settings["domain"] != "contoso.okta.com" {
		t.Error(err)
	}
	_, err = One(Connection{Connector: "okta", Settings: map[string]string{"domain": "a\x00b"}}, connectors.Find, env("OKTA_API_TOKEN", "x"), now)
	if err == nil || !strings.Contains(err.Error(), "a control character (U+0000) at character 2") {
		t.Error(err)
	}
}

func TestFilesThatHoldNoSecret(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a folder", large: "has more than 1 MiB", filepath.Join(dir, "nope"): "no such file", os.DevNull: "is no file"} {
		_, err := parse(strings.Replace(good, "${env:TOKEN}", "${file:"+path+"}", 1), env())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
