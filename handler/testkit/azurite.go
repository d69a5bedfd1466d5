package testkit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The account of the storage emulator and its published key
// (learn.microsoft.com, "Use the Azurite emulator").
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azurite starts the blob emulator on a free port and stops it with the test.
// It returns the address of the account. Without Azurite the test is skipped,
// unless SLUICE_NEED_AZURITE says that it has to be there, as scripts/test does.
func Azurite(t *testing.T, flags ...string) (endpoint string) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	bin := filepath.Join(filepath.Dir(here), "..", "..", "scripts", "testdeps", "node_modules", ".bin", "azurite-blob")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("SLUICE_NEED_AZURITE") != "" {
			t.Fatalf("Azurite is not installed: %v", err)
		}
		t.Skip("Azurite is not installed; scripts/test does that")
	}
	port := FreePort(t)
	args := append([]string{"--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"}, flags...)
	cmd := exec.Command(bin, args...)
	cmd.Dir = t.TempDir()
	cmd.Stderr = os.Stderr
	Start(t, cmd)
	WaitForPort(t, port)
	return "127.0.0.1:" + port + "/" + azuriteAccount
}

// AzuriteConnectionString is the connection string of an Azurite at endpoint.
func AzuriteConnectionString(endpoint string) string {
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=http://%s;", azuriteAccount, azuriteKey, endpoint)
}

// FreePort returns a port of this machine that nobody listens on.
func FreePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	must(t, err)
	return port
}

// WaitForPort returns once a process that was started listens on port.
func WaitForPort(t *testing.T, port string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on port %s: %v", port, err)
		}
		<-time.After(20 * time.Millisecond) // another process cannot be waited for otherwise
	}
}

// AzuriteSAS is the query of a request that is allowed everything for an hour:
// an account SAS (learn.microsoft.com, "Create an account SAS").
func AzuriteSAS(now time.Time) string {
	const version, services, types, permissions = "2021-12-02", "b", "sco", "rwdlac"
	expiry := now.UTC().Add(time.Hour).Format("2006-01-02T15:04:05Z")
	text := strings.Join([]string{azuriteAccount, permissions, services, types, "", expiry, "", "http,https", version, "", ""}, "\n")
	key, _ := base64.StdEncoding.DecodeString(azuriteKey)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return url.Values{"sv": {version}, "ss": {services}, "srt": {types}, "sp": {permissions}, "se": {expiry}, "spr": {"http,https"},
		"sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}.Encode()
}
