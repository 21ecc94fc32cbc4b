package aws

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Options say where in AWS, and as whom. All may be left out: then the environment of the process and the SDK's own chain say so.
type Options struct {
	Region  string `json:"region,omitempty" jsonschema_description:"Region, for example eu-west-1. Default: AWS_REGION, or what the profile says."`
	Role    string `json:"role,omitempty" jsonschema_description:"ARN of a role to take for this; it is taken again before its credentials end. Default: none, the job's own credentials."`
	Account string `json:"account,omitempty" jsonschema_description:"Number of the account that this must be, 12 digits. Nothing is asked or touched in another one. Default: any."`
}

var (
	regionForm  = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
	roleForm    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]+$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// Check finds mistakes without asking anybody.
func (o Options) Check() error {
	role := roleForm.FindStringSubmatch(o.Role)
	switch {
	case o.Region != "" && !regionForm.MatchString(o.Region):
		return fmt.Errorf("region is %q, not a name as eu-west-1", o.Region)
	case o.Role != "" && role == nil:
		return fmt.Errorf("role is %q, not of the form arn:aws:iam::123456789012:role/NAME", o.Role)
	case o.Account != "" && !accountForm.MatchString(o.Account):
		return fmt.Errorf("account is %q, not 12 digits between quotes", o.Account)
	case o.Account != "" && role != nil && role[1] != o.Account:
		return fmt.Errorf("role is in account %s, and account says %s; one of them is wrong", role[1], o.Account)
	}
	return nil
}

// FromQuery takes options from what follows ? in a URL, where others may stand as well.
func FromQuery(query string, others ...string) (Options, url.Values, error) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, nil, fmt.Errorf("what follows ? cannot be read: %w", err)
	}
	known := append([]string{"account", "region", "role"}, others...)
	slices.Sort(known)
	for option, values := range asked {
		if !slices.Contains(known, option) || len(values) > 1 {
			return Options{}, nil, fmt.Errorf("option %q is unknown or there twice; known: %s", option, strings.Join(known, ", "))
		}
	}
	return Options{Region: asked.Get("region"), Role: asked.Get("role"), Account: asked.Get("account")}, asked, nil
}
