package aws

import "context"

// A Call is one operation of a service. A program that reflects on types keeps every method of every type that it can reach,
// so no type has a client of the SDK in it, with all of its operations, but the calls that it makes.
type Call[Input, Output, Options any] func(context.Context, *Input, ...func(*Options)) (*Output, error)
