Kind = "service-intentions"
Name = "documents"

# The gateway converts documents. Every other caller and every other method is refused (default_intention_policy).
Sources = [
  {
    Name = "gateway"

    Permissions = [
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.documents.v1.DocumentsService/Parse"
          Methods   = ["POST"]
        }
      },
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.documents.v1.DocumentsService/ParsePages"
          Methods   = ["POST"]
        }
      },
    ]
  },
]
