package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	reference = regexp.MustCompile(`^\$\{(env|file):([^}]+)\}$`)
	nearly    = regexp.MustCompile(`(?i)\$\{?(env|file):`)
)

// resolve follows ${env:NAME} and ${file:PATH}, and takes the line end from what it
// finds. A secret has to be one of them.
func (r *resolver) resolve(path, text string, secret bool) string {
	m := reference.FindStringSubmatch(text)
	switch {
	case m == nil && secret && text != "":
		r.errorf(path, "this is a secret: do not write it here, refer to it with ${env:NAME} or ${file:PATH}")
		return ""
	case m == nil && nearly.MatchString(text):
		r.errorf(path, "a reference is the whole value, and is written ${env:NAME} or ${file:PATH}")
		return ""
	case m == nil:
		return r.clean(path, "the value", text)
	case m[1] == "env":
		return r.fromEnv(path, m[2])
	}
	value, err := readSecret(m[2])
	if err == nil && trim(value) == "" {
		err = fmt.Errorf("the file %s is empty", m[2])
	}
	if err != nil {
		r.errorf(path, "%v", err)
		return ""
	}
	return r.clean(path, "the file "+m[2], value)
}

func (r *resolver) fromEnv(path, name string) string {
	value, ok := r.env(name)
	switch {
	case !ok:
		r.errorf(path, "the environment variable %s is not set", name)
		return ""
	case trim(value) == "":
		r.errorf(path, "the environment variable %s is empty", name)
		return ""
	}
	if err := CheckKeyVault(name, value); err != nil {
		r.errorf(path, "%v", err)
		return ""
	}
	return r.clean(path, "the environment variable "+name, value)
}

// maxSecret is more than any secret has; a larger file is a wrong one.
const maxSecret = 1 << 20

// readSecret reads a file that holds a secret.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for who writes
	switch {
	case err != nil:
		return "", fmt.Errorf("read a secret: %w", err)
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder: name the file in it that holds the secret", path)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(data) > maxSecret {
		err = fmt.Errorf("%s has more than 1 MiB: that is no secret", path)
	}
	return string(data), err
}

// trim takes away the line end that echo and editors leave, and blanks around.
func trim(value string) string { return strings.Trim(value, " \t\r\n") }

// clean trims a value, and refuses characters that nobody sees and no provider
// takes. what says where the value comes from; the value itself is in no error.
func (r *resolver) clean(path, what, value string) string {
	value = trim(value)
	if isPEM(value) && !strings.Contains(value, "\n") {
		value = strings.ReplaceAll(value, `\n`, "\n") // forms for app settings have one line
	}
	if err := checkText(value); err != nil {
		r.errorf(path, "%s has %v: copy it again", what, err)
		return ""
	}
	return value
}

// isPEM reports whether a value is a key or a certificate, which has lines.
func isPEM(value string) bool { return strings.Contains(value, "-----BEGIN ") }

// checkText finds the first character that cannot be part of a setting.
func checkText(value string) error {
	lines := isPEM(value)
	at := 0
	for i, c := range value {
		at++
		switch {
		case lines && (c == '\n' || c == '\r' || c == '\t'):
		case c == utf8.RuneError && strings.HasPrefix(value[i:], "\uFFFD"):
			return fmt.Errorf("the replacement character U+FFFD at character %d, which stands for one that could not be read", at)
		case c == utf8.RuneError:
			return fmt.Errorf("a byte at character %d that is no UTF-8", at)
		case c == '\n' || c == '\r':
			return fmt.Errorf("a line end (U+%04X) at character %d, inside of the value", c, at)
		case unicode.IsControl(c):
			return fmt.Errorf("a control character (U+%04X) at character %d", c, at)
		case unicode.Is(unicode.Cf, c) || c != ' ' && unicode.IsSpace(c) || unicode.Is(unicode.Zs, c) && c != ' ':
			return fmt.Errorf("an invisible character (U+%04X) at character %d", c, at)
		}
	}
	return nil
}

// errKeyVault says what to look at when a reference is not resolved.
var errKeyVault = errors.New("check that the secret exists, that the app's identity has the role Key Vault Secrets User, that the vault can be reached, and, for a user-assigned identity, the site's keyVaultReferenceIdentity")

// CheckKeyVault detects a reference that App Service could not resolve: it
// leaves the text of the reference in the variable.
func CheckKeyVault(name, value string) error {
	if strings.HasPrefix(trim(value), "@Microsoft.KeyVault(") {
		return fmt.Errorf("%s holds an unresolved Key Vault reference: %w", name, errKeyVault)
	}
	return nil
}
