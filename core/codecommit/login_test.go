package codecommit

import (
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
)

// TestSign compares with what botocore's SigV4Auth makes of the request of git-remote-codecommit and of the AWS CLI's helper.
func TestSign(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for _, c := range []struct {
		url            string
		by             sdk.Credentials
		at             time.Time
		user, password string
	}{
		{"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop", sdk.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret},
			time.Date(2026, 11, 30, 10, 0, 0, 0, time.FixedZone("", 3600)),
			"AKIDEXAMPLE", "20261130T090000Z06b107d276954445ff2bf4f9d1f121527b1e5f80115879e737c2fc73dd1ebba1"},
		{"https://git-codecommit-fips.us-east-2.amazonaws.com/v1/repos/my.shop-2", sdk.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: secret, SessionToken: "tok/en+=="},
			time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC),
			"ASIAEXAMPLE%tok/en+==", "20251231T235959Z04f11748db7679ffe2948053770ece1a9b954068d5c625067622e1792bc2366f"},
	} {
		r, ok := ParseURL(c.url)
		if !ok {
			t.Fatalf("%s is not of CodeCommit", c.url)
		}
		if user, password := sign(r, c.by, c.at); user != c.user || password != c.password {
			t.Errorf("%s: %s %s; want %s %s", c.url, user, password, c.user, c.password)
		}
	}
}

func TestParseURL(t *testing.T) {
	for url, want := range map[string]Remote{
		"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop":       {URL: "https://git-codecommit.eu-west-1.amazonaws.com", Host: "git-codecommit.eu-west-1.amazonaws.com", Region: "eu-west-1", Repository: "shop"},
		"https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/a.b":    {URL: "https://git-codecommit.cn-north-1.amazonaws.com.cn", Host: "git-codecommit.cn-north-1.amazonaws.com.cn", Region: "cn-north-1", Repository: "a.b"},
		"https://git-codecommit.eu-west-1.amazonaws.com:8443/v1/repos/shop":  {URL: "https://git-codecommit.eu-west-1.amazonaws.com:8443", Host: "git-codecommit.eu-west-1.amazonaws.com", Region: "eu-west-1", Repository: "shop"},
		"http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop":        {},
		"https://me@git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop":    {},
		"https://git-codecommit.eu-west-1.amazonaws.com.evil.com/v1/repos/x": {},
		"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/":           {},
		"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop/x":     {},
		"codecommit::eu-west-1://shop":                                       {},
		"ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop":         {},
		"": {},
	} {
		if got, ok := ParseURL(url); got != want || ok != (want != Remote{}) {
			t.Errorf("%s: %+v, %v", url, got, ok)
		}
	}
}
