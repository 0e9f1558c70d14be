Kind = "service-intentions"
Name = "reranking"

# The gateway scores documents, one call alone or many in one, and lists the models. Every other caller and every other method is refused (default_intention_policy).
Sources = [
  {
    Name = "gateway"

    Permissions = [
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.reranking.v1.RerankingService/Rerank"
          Methods   = ["POST"]
        }
      },
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.reranking.v1.RerankingService/RerankMany"
          Methods   = ["POST"]
        }
      },
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.reranking.v1.RerankingService/ListModels"
          Methods   = ["POST"]
        }
      },
    ]
  },
]
