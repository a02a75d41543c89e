//! The stack of `deploy/lambda/template.yaml`, created in a mock of AWS.

use serde_json::{Value, json};
use soci_testkit::moto::Moto;

const TEMPLATE: &str = "deploy/lambda/template.yaml";

/// The two parameters that have no default.
const REQUIRED: [&str; 2] = [
    "ImageUri=123456789012.dkr.ecr.eu-west-1.amazonaws.com/soci-lambda:v1",
    "ImageFilters=app:*,team/*:v*",
];

/// Returns the attributes of one of the stack's two queues.
fn queue<'a>(stack: &'a Value, name: &str) -> &'a Value {
    let queues = stack["queues"].as_object().expect("queues");
    let address = stack["outputs"][name].as_str().expect("an address");
    let own = address.rsplit('/').next().expect("a name");
    let mut queues = queues.iter().filter(|(address, _)| address.ends_with(own));
    queues.next().expect("the queue").1
}

/// Returns the statement of the function's policy with this name.
fn statement<'a>(stack: &'a Value, name: &str) -> &'a Value {
    let statements = stack["policy"]["Statement"].as_array().expect("statements");
    let mut statements = statements.iter().filter(|one| one["Sid"] == name);
    statements.next().expect("the statement")
}

#[test]
fn two_parameters_make_the_whole_stack() {
    let stack = Moto::start().create_stack(TEMPLATE, &REQUIRED);
    assert_eq!(stack["status"], "CREATE_COMPLETE");
    // The function's own pushes do not invoke it.
    assert_eq!(stack["pattern"]["source"], json!(["aws.ecr"]));
    assert_eq!(
        stack["pattern"]["detail"]["image-tag"],
        json!([{"anything-but": {"suffix": "-soci"}}])
    );

    let messages = queue(&stack, "QueueUrl");
    let dead = queue(&stack, "DeadLetterQueueUrl");
    assert_eq!(stack["targets"][0]["Arn"], messages["QueueArn"]);
    let redrive: Value =
        serde_json::from_str(messages["RedrivePolicy"].as_str().expect("a text")).expect("JSON");
    assert_eq!(redrive["deadLetterTargetArn"], dead["QueueArn"]);

    // The queue waits six times the time limit before it delivers a message again.
    let visible = messages["VisibilityTimeout"].as_str().expect("a text");
    let visible: u64 = visible.parse().expect("seconds");
    let function = &stack["function"];
    let timeout = function["Timeout"].as_u64().expect("seconds");
    assert!(visible >= 6 * timeout, "{visible} {timeout}");
    let variables = &function["Environment"]["Variables"];
    assert_eq!(variables["IMAGE_FILTERS"], "app:*,team/*:v*");

    let mapping = &stack["mapping"];
    assert_eq!(mapping["EventSourceArn"], messages["QueueArn"]);
    assert_eq!(
        mapping["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    let concurrency = &mapping["ScalingConfig"]["MaximumConcurrency"];
    assert_eq!(concurrency, &json!(5));
    let log = &stack["logGroups"][0];
    assert_eq!(log["retentionInDays"], 30);
    assert_eq!(log["logGroupName"], stack["outputs"]["LogGroupName"]);
}

#[test]
fn the_role_permits_what_the_tools_need_and_nothing_else() {
    let boundary = "arn:aws:iam::123456789012:policy/boundary";
    let parameter = format!("PermissionsBoundaryArn={boundary}");
    let [image, filters] = REQUIRED;
    let stack = Moto::start().create_stack(TEMPLATE, &[image, filters, &parameter]);
    assert_eq!(stack["boundary"], boundary);
    let statements = stack["policy"]["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 4);
    let token = statement(&stack, "Token");
    assert_eq!(token["Action"], "ecr:GetAuthorizationToken");
    let images = statement(&stack, "PullAndPush");
    assert_eq!(
        images["Action"],
        json!([
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart"
        ])
    );
    // The repositories of the filters, and no other.
    let mut repositories = images["Resource"].as_array().expect("resources").clone();
    repositories.sort_by_key(Value::to_string);
    repositories.dedup();
    let of = |name| format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}");
    assert_eq!(repositories, [json!(of("app")), json!(of("team/*"))]);
    let messages = statement(&stack, "Messages");
    assert_eq!(messages["Resource"], queue(&stack, "QueueUrl")["QueueArn"]);
    let log = statement(&stack, "Log");
    assert_eq!(
        log["Action"],
        json!(["logs:CreateLogStream", "logs:PutLogEvents"])
    );
    assert_eq!(log["Resource"], stack["logGroups"][0]["arn"]);
    assert_template(&stack);
}

/// Asserts what the mock does not create.
#[track_caller]
fn assert_template(stack: &Value) {
    let template = stack["template"].as_object().expect("resources");
    let alarms = template
        .values()
        .filter(|one| one["Type"] == "AWS::CloudWatch::Alarm");
    let metrics: Vec<&Value> = alarms.map(|one| &one["Properties"]["MetricName"]).collect();
    let expected = [
        "FailedImages",
        "ApproximateNumberOfMessagesVisible",
        "Errors",
        "ApproximateAgeOfOldestMessage",
    ];
    assert_eq!(metrics, expected);
    let policy = &template["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
    assert_eq!(policy["Principal"]["Service"], "events.amazonaws.com");
    assert_eq!(policy["Action"], "sqs:SendMessage");
    let function = &template["Function"]["Properties"];
    assert_eq!(
        function["ReservedConcurrentExecutions"],
        json!({"Ref": "Concurrency"})
    );
    assert_eq!(function["PackageType"], "Image");
    assert_eq!(
        function["EphemeralStorage"]["Size"],
        json!({"Ref": "EphemeralStorage"})
    );
}
